#!/usr/bin/env bash
# record.sh: writes vectors.json anew, with the converters of the real Kafka Connect.
. "$(dirname "$0")/../../../../../scripts/lib.sh"
cd "$ROOT/host/record/src/convert/vectors"
"$ROOT/scripts/fetch-peers.sh" kafka
java -Xmx256m -cp "$CACHE/kafka-${KAFKA_VERSION:-4.3.1}/*" Record.java cases.json >vectors.json
