#!/usr/bin/env bash
# Installs what the tests need, builds everything once, and runs every suite: unit, property, integration, end-to-end and
# fault, on the embedded broker and on a real Kafka. MILLRACE_FAULT_ROUNDS sets the rounds of the fault campaign (default
# 100), MILLRACE_CRASH_ROUNDS the kills of the crash test (default 12), MILLRACE_PIPELINE_RECORDS the records of the pipeline through all languages (default 1,000,000),
# MILLRACE_REDRIVE_RECORDS the dead letters of the redrive that is killed twice (default 20,000).
. "$(dirname "$0")/lib.sh"
install_build_tools
install_postgres
install_redis
install_go
install_wasi_c
"$ROOT/scripts/fetch-peers.sh" kafka apicurio oci
"$ROOT/scripts/clients.sh"
# The feature lets tests have the worker break an invariant, to see that the fault campaign notices.
build --workspace --all-targets --features millrace/break-invariants
cd "$ROOT"
if have rustfmt; then "$CARGO" fmt --all --check; fi
# A failed test shows its error, not the stack of the test runner.
export RUST_LIB_BACKTRACE=0
say "host: unit, property, integration, end-to-end and fault tests"
"$CARGO" test --release --locked --workspace --features millrace/break-invariants
say "SDK, plugins and examples: native tests"
for manifest in sdk/rust plugins examples/transforms/*; do
  "$CARGO" test --release --locked --manifest-path "$manifest/Cargo.toml" --target-dir "$ROOT/target"
done
say "SDKs of other languages: their own tests"
apt_install python3
PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -s sdk/python/tests
(cd sdk/python/starter && PYTHONPATH=.. PYTHONDONTWRITEBYTECODE=1 python3 -m unittest)
have node || apt_install nodejs npm
node --test sdk/javascript/tests/
# The starter finds the SDK as it does after an author's "npm install".
starter="$(mktemp -d)"
cp -r sdk/javascript/starter/* "$starter"
mkdir "$starter/node_modules" && ln -s "$ROOT/sdk/javascript" "$starter/node_modules/millrace-plugin"
node --test "$starter/my-plugin.test.js"
rm -r "$starter"
# Every language's row codec is held to what the host's own reads and writes.
"$CARGO" run --release --locked --quiet -p millrace-row --example vectors -- --check
(cd sdk/go && go test ./...)
for project in sdk/go/templates/*/ tests/guests/contacts/go/; do (cd "$project" && go test ./...); done
make -C sdk/c/tests
make -C sdk/c/templates/transform
say "all suites passed"
