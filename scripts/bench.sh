#!/usr/bin/env bash
# bench.sh [drain] [latency] [sink] [transform]: Millrace beside the real Debezium and its JDBC sink, in one run, on the
# same PostgreSQL and the same data. BENCH_ROWS (1500000) and BENCH_RUNS (3) set the length.
. "$(dirname "$0")/lib.sh"
install_build_tools
install_postgres
PATH="$PGBIN:$PATH"
"$ROOT/scripts/fetch-peers.sh" kafka debezium
build --workspace --all-targets
cd "$ROOT" && exec target/release/bench "$@"
