#!/usr/bin/env bash
# record.sh [avro|json|json-further|protobuf|protobuf-further|java]...: writes verdicts/ anew from cases/. Apicurio's registry judges every case at every
# level over its Confluent API; for Avro, Java's own library judges too and prints the texts. Everything by default.
. "$(dirname "$0")/../../../../scripts/lib.sh"
cd "$ROOT/host/registry/tests/compatibility"
"$ROOT/scripts/fetch-peers.sh" apicurio
have python3 || apt_install python3
APICURIO="$CACHE/apicurio-${APICURIO_VERSION:-3.0.9}"
what=("$@"); [ ${#what[@]} -gt 0 ] || what=(avro json json-further protobuf protobuf-further java)
mkdir -p verdicts
formats=()
for w in "${what[@]}"; do case "$w" in
java) java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp "$APICURIO/lib/*" Record.java ;;
avro|json|json-further|protobuf|protobuf-further) formats+=("$w") ;;
*) fail "unknown \"$w\": a file of cases/ or java" ;;
esac; done
[ ${#formats[@]} -gt 0 ] || exit 0
port="${REGISTRY_PORT:-28085}"
java -Xmx512m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.management.enabled=false \
  -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 -jar "$APICURIO"/*-runner.jar >"$CACHE/apicurio.log" 2>&1 &
trap 'kill $!' EXIT
python3 record.py "http://127.0.0.1:$port/apis/ccompat/v7" "${formats[@]}"
