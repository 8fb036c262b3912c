#!/usr/bin/env bash
# record.sh [avro|json|json-further|protobuf|protobuf-further|java]...: writes verdicts/ anew from cases/. Apicurio's registry judges every case at every
# level over its Confluent API; for Avro, Java's own library judges too and prints the texts. Everything by default.
#
# The other judges are asked where they are installed:
#   AXONOPS_URL=http://127.0.0.1:8081 record.sh ...   a running AxonOps Schema Registry, or another that speaks Confluent's API, is asked too
#   KARAPACE_PYTHON=python3 record.sh ...             a Python that has the package `karapace` judges too
# Then WRITE_TABLE=1 cargo test -p millrace-registry --test compatibility writes table.md.
. "$(dirname "$0")/../../../../scripts/lib.sh"
cd "$ROOT/host/registry/tests/compatibility"
"$ROOT/scripts/fetch-peers.sh" apicurio
have python3 || apt_install python3
APICURIO="$CACHE/apicurio-${APICURIO_VERSION:-3.0.9}"
what=("$@"); [ ${#what[@]} -gt 0 ] || what=(avro json json-further protobuf protobuf-further java)
mkdir -p verdicts
formats=() further=()
for w in "${what[@]}"; do case "$w" in
java) java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp "$APICURIO/lib/*" Record.java ;;
avro) formats+=("$w") ;;
json|json-further|protobuf|protobuf-further) formats+=("$w"); further+=("$w") ;;
*) fail "unknown \"$w\": a file of cases/ or java" ;;
esac; done
[ ${#formats[@]} -gt 0 ] || exit 0
if [ ${#further[@]} -gt 0 ]; then
  [ -z "${KARAPACE_PYTHON:-}" ] || "$KARAPACE_PYTHON" record_karapace.py "${further[@]}"
  [ -z "${AXONOPS_URL:-}" ] || python3 record.py "$AXONOPS_URL" axonops "${further[@]}"
fi
port="${REGISTRY_PORT:-28085}"
java -Xmx512m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.management.enabled=false \
  -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 -jar "$APICURIO"/*-runner.jar >"$CACHE/apicurio.log" 2>&1 &
trap 'kill $!' EXIT
python3 record.py "http://127.0.0.1:$port/apis/ccompat/v7" apicurio "${formats[@]}"
