#!/usr/bin/env bash
# bench.sh [--quick] [--seconds N] [--runs N] [--sides TEXT] [drain|transform|latency|sink|registry ...]: Millrace beside the real
# Debezium and its JDBC sink, in one run, on the same PostgreSQL and the same data. tests/bench/README.md says the rest.
. "$(dirname "$0")/lib.sh"
install_build_tools
install_postgres
PATH="$PGBIN:$PATH"
"$ROOT/scripts/fetch-peers.sh" kafka debezium
build -p millrace -p millrace-tests --bins
cd "$ROOT" && exec target/release/bench "$@"
