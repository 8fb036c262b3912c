#!/usr/bin/env bash
# record.sh: writes vectors.json anew, with the transforms of the real Kafka Connect, and dates.tsv, with Java's dates.
. "$(dirname "$0")/../../../../../../scripts/lib.sh"
cd "$ROOT/host/worker/src/transforms/native/vectors"
"$ROOT/scripts/fetch-peers.sh" kafka
java -Xmx256m -cp "$CACHE/kafka-${KAFKA_VERSION:-4.3.1}/*" Record.java cases.json >vectors.json
java -Xmx256m Dates.java >dates.tsv
