#!/usr/bin/env bash
# Fuzzes the REST API of a worker on loopback with schemathesis, from the OpenAPI document that the worker serves.
#
#   scripts/fuzz.sh [EXAMPLES [SECONDS]]     default: 300 examples per operation, which are more than 20,000 requests; 3,600 seconds
#
# Held against every answer: the worker lives, the status is a documented one, the body and its type are as documented, and
# there is no 500 but those that Kafka Connect gives for the same request (tests/clients/python/fuzz_checks.py).
# MILLRACE_FUZZ_SEED repeats a run. Needs a built worker (MILLRACE_BIN) and scripts/clients.sh.
. "$(dirname "$0")/lib.sh"
examples="${1:-300}"; seconds="${2:-3600}"
"$ROOT/scripts/clients.sh"
bin="${MILLRACE_BIN:-${CARGO_TARGET_DIR:-$ROOT/target}/release/millrace}"
[ -x "$bin" ] || fail "$bin is not built: run scripts/setup.sh, or set MILLRACE_BIN"
dir="$(mktemp -d)"; rest="http://127.0.0.1:$(free_port)"
seed="${MILLRACE_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM))}"
# Connectors that fuzzing makes may name files: the worker runs in a folder that goes away.
(cd "$dir" && exec "$bin" run --set "listeners=$rest" --set "embedded.broker.listener=127.0.0.1:0" \
  --set "data.dir=$dir/data" --set "plugin.path=${MILLRACE_PLUGINS:-$(dirname "$bin")/plugins}" >"$dir/log" 2>&1) &
worker=$!
trap 'kill "$worker" 2>/dev/null; wait "$worker" 2>/dev/null; rm -rf "$dir"' EXIT
for _ in $(seq 300); do
  curl -fsS --noproxy '*' "$rest/connectors" >/dev/null 2>&1 && break
  kill -0 "$worker" 2>/dev/null || fail "the worker ended at once: $(tail -5 "$dir/log")"
  sleep 0.1
done
say "fuzzing $rest: $examples examples per operation, $seconds s at most, seed $seed"
code=0
(cd "$dir" && NO_PROXY='*' SCHEMATHESIS_HOOKS="$ROOT/tests/clients/python/fuzz_checks.py" \
  "$CACHE/clients/venv/bin/schemathesis" --config-file "$ROOT/tests/clients/python/schemathesis.toml" run "$rest/openapi.json" --phases examples,coverage,fuzzing \
  --max-examples "$examples" --max-time "$seconds" --seed "$seed" --generation-database none --workers 1 --no-color \
  --checks response_schema_conformance,content_type_conformance,status_code_conformance,connects_500 \
  --suppress-health-check all --continue-on-failure --warnings off --request-timeout 95) || code=$?
kill -0 "$worker" 2>/dev/null || { tail -20 "$dir/log" >&2; fail "the worker ended under the requests"; }
if grep -E "panicked at" "$dir/log" >&2; then fail "the worker panicked"; fi
exit "$code"
