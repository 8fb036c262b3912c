#!/usr/bin/env bash
# bench.sh [--quick] [--seconds N] [--runs N] [--sides TEXT] [drain|transform|latency|sink|registry|avro|plugins|instances ...]: Millrace beside the
# real Debezium and its JDBC sink, in one run, on the same PostgreSQL and the same data. tests/bench/README.md says the rest.
. "$(dirname "$0")/lib.sh"
install_build_tools
# The Avro converters and the plugins need no server: they are measured by themselves, and alone where nothing else is asked for.
avro=""; alone=(); others=""; rest=()
for a in "$@"; do case "$a" in
  avro) avro=1; continue ;;
  plugins|instances) alone+=("$a"); continue ;;
  dlq) others=1 ;;
  drain|transform|latency|sink|registry) others=1 ;;
esac; rest+=("$a"); done
for a in "${alone[@]+"${alone[@]}"}"; do "$ROOT/tests/bench/plugins/run.sh" "$a" "${rest[@]+"${rest[@]}"}"; done
if [ ${#alone[@]} -gt 0 ] && [ -z "$others$avro" ]; then exit 0; fi
if [ -n "$avro" ] || [ -z "$others" ]; then
  "$ROOT/scripts/fetch-peers.sh" converter
  "$ROOT/tests/bench/avro/run.sh" "${rest[@]+"${rest[@]}"}"
  if [ -n "$avro" ] && [ -z "$others" ]; then exit 0; fi
fi
install_postgres
PATH="$PGBIN:$PATH"
"$ROOT/scripts/fetch-peers.sh" kafka debezium apicurio
build -p millrace -p millrace-tests --bins
cd "$ROOT" && exec target/release/bench "${rest[@]+"${rest[@]}"}"
