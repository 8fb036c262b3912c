#!/usr/bin/env bash
# record.sh: writes answers.json anew, with the answers of the real Kafka Connect.
. "$(dirname "$0")/../../../scripts/lib.sh"
"$ROOT/scripts/fetch-peers.sh" kafka
cd "$ROOT"
cargo test --release -p millrace-tests --test e2e -- --ignored record_kafka_connect
