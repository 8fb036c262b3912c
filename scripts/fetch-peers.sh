#!/usr/bin/env bash
# fetch-peers.sh kafka|debezium|apicurio|converter|oci ... : the real Kafka (broker, Connect, tools), Debezium's connectors,
# Apicurio's schema registry and its Avro converter, through Maven, into the cache. The tests run on this Kafka too; the benchmark
# measures beside Kafka, Debezium and the converter; the registry judges schemas for us. An OCI registry, for plugins. Safe to run again.
. "$(dirname "$0")/lib.sh"
KAFKA_VERSION="${KAFKA_VERSION:-4.3.1}"; DEBEZIUM_VERSION="${DEBEZIUM_VERSION:-3.6.0.Final}"
# The newest that runs on Java 17.
APICURIO_VERSION="${APICURIO_VERSION:-3.0.9}"
# The newest that has the Connect converter.
CONVERTER_VERSION="${CONVERTER_VERSION:-2.6.13.Final}"
# The compiler too: some tests make a plugin for the real Kafka Connect.
have javac || apt_install default-jdk-headless
have mvn || apt_install maven
mkdir -p "$CACHE"
maven() { mvn -B -q "$@" >"$CACHE/maven.log" 2>&1 || { tail -20 "$CACHE/maven.log" >&2; fail "Maven could not fetch $*: see $CACHE/maven.log"; }; }
for what in "$@"; do case "$what" in
kafka)
  out="$CACHE/kafka-$KAFKA_VERSION"; [ -f "$out/.complete" ] && continue
  say "fetching Kafka $KAFKA_VERSION with Maven"
  rm -rf "$out"; maven -f "$ROOT/tests/peers/kafka.xml" dependency:copy-dependencies -Dkafka.version="$KAFKA_VERSION" -DoutputDirectory="$out" -DincludeScope=runtime
  touch "$out/.complete" ;;
debezium)
  for a in debezium-connector-postgres debezium-connector-jdbc; do
    out="$CACHE/debezium-$DEBEZIUM_VERSION/$a"; [ -f "$out/.complete" ] && continue
    say "fetching $a $DEBEZIUM_VERSION with Maven"
    mkdir -p "$CACHE/dl"; maven -f "$ROOT/tests/peers/kafka.xml" dependency:copy -Dartifact="io.debezium:$a:$DEBEZIUM_VERSION:tar.gz:plugin" -DoutputDirectory="$CACHE/dl"
    rm -rf "$out"; mkdir -p "$out"; tar -xzf "$CACHE/dl/$a-$DEBEZIUM_VERSION-plugin.tar.gz" -C "$out" --strip-components=1; touch "$out/.complete"
  done ;;
apicurio)
  out="$CACHE/apicurio-$APICURIO_VERSION"; [ -f "$out/.complete" ] && continue
  say "fetching Apicurio Registry $APICURIO_VERSION with Maven"
  mkdir -p "$CACHE/dl"; maven -f "$ROOT/tests/peers/kafka.xml" dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$APICURIO_VERSION:tar.gz:all" -DoutputDirectory="$CACHE/dl"
  rm -rf "$out"; mkdir -p "$out"; tar -xzf "$CACHE/dl/apicurio-registry-app-$APICURIO_VERSION-all.tar.gz" -C "$out"; touch "$out/.complete" ;;
converter)
  out="$CACHE/apicurio-converter-$CONVERTER_VERSION"; [ -f "$out/.complete" ] && continue
  say "fetching Apicurio's Avro converter $CONVERTER_VERSION with Maven"
  rm -rf "$out"; maven -f "$ROOT/tests/peers/apicurio-converter.xml" dependency:copy-dependencies -Dapicurio.version="$CONVERTER_VERSION" -Dkafka.version="$KAFKA_VERSION" -DoutputDirectory="$out" -DincludeScope=runtime
  touch "$out/.complete" ;;
oci)
  # Out of Debian's package, not installed: the package would start a service.
  out="$CACHE/docker-registry"; [ -f "$out/.complete" ] && continue
  have docker-registry && continue
  say "fetching an OCI registry with apt-get"
  rm -rf "$out"; mkdir -p "$out"
  (cd "$out" && { apt-get download -q docker-registry >apt.log 2>&1 || { apt-get update -qq >/dev/null; apt-get download -q docker-registry >apt.log 2>&1; }; }) || { tail -5 "$out/apt.log" >&2; fail "apt-get could not fetch docker-registry"; }
  dpkg -x "$out"/docker-registry_*.deb "$out"; rm "$out"/*.deb; touch "$out/.complete" ;;
*) fail "unknown peer \"$what\": kafka, debezium, apicurio, converter or oci" ;;
esac; done
