#!/usr/bin/env bash
# The main job, end to end, on this machine: a private PostgreSQL with the databases `shop` and `warehouse`, a Millrace
# worker on its embedded broker, a PostgreSQL source, a transform written by a user (examples/transforms/mask-email) and a
# PostgreSQL sink. Writes rows, shows them arrive with their latency, shows a poisoned record land in the dead letter
# queue, and stays up until Ctrl-C. With --once it checks all of that and exits with 0 or 1.
. "$(dirname "$0")/lib.sh"
ONCE=0; [ "${1:-}" = --once ] && ONCE=1
[ $# -gt "$ONCE" ] && fail "usage: scripts/demo.sh [--once]"

install_build_tools
install_postgres
have curl || apt_install curl
build -p millrace

DIR="$(mktemp -d "${TMPDIR:-/tmp}/millrace-demo.XXXXXX")"; chmod 777 "$DIR"
PG_PORT="$(free_port)"; REST_PORT="$(free_port)"; BROKER_PORT="$(free_port)"; WORKER=""
# PostgreSQL refuses to run as root: as root its programs run as the user postgres.
as_pg() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }
stop() {
  [ -n "$WORKER" ] && kill -TERM "$WORKER" 2>/dev/null && wait "$WORKER" 2>/dev/null
  as_pg "$PGBIN/pg_ctl" -D "$DIR/pg" -m fast -w stop >/dev/null 2>&1
  rm -rf "$DIR"
}
trap stop EXIT
trap 'exit 130' INT TERM

say "starting PostgreSQL on 127.0.0.1:$PG_PORT"
as_pg "$PGBIN/initdb" -D "$DIR/pg" -U postgres -A trust -E UTF8 -N >/dev/null
as_pg "$PGBIN/pg_ctl" -D "$DIR/pg" -l "$DIR/pg.log" -w -o "-p $PG_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c wal_level=logical" start >/dev/null ||
  fail "PostgreSQL did not start: $(tail -3 "$DIR/pg.log")"
sql() { "$PGBIN/psql" -h 127.0.0.1 -p "$PG_PORT" -U postgres -d "$1" -v ON_ERROR_STOP=1 -Atqc "$2"; }
sql postgres "create database shop"; sql postgres "create database warehouse"
sql shop "create table customers (id bigint primary key, name text not null, email text, at timestamptz not null default clock_timestamp())"
sql shop "insert into customers (id, name, email) values (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com')"

say "starting the worker: REST on 127.0.0.1:$REST_PORT, embedded broker on 127.0.0.1:$BROKER_PORT"
REST="http://127.0.0.1:$REST_PORT"
"$ROOT/target/release/millrace" run --set listeners="$REST" --set embedded.broker.listener="127.0.0.1:$BROKER_PORT" \
  --set data.dir="$DIR/data" >"$DIR/worker.log" 2>&1 &
WORKER=$!
# until_ok SECONDS WHAT COMMAND...: waits for a command to succeed, or fails with the worker's last words.
until_ok() {
  local end=$((SECONDS + $1)) what="$2"; shift 2
  until "$@" >/dev/null 2>&1; do
    kill -0 "$WORKER" 2>/dev/null || { cat "$DIR/worker.log" >&2; fail "the worker ended"; }
    [ "$SECONDS" -lt "$end" ] || { tail -20 "$DIR/worker.log" >&2; curl -fsS "$REST/connectors?expand=status" >&2 || true; fail "$what: not in time"; }
    sleep 0.05
  done
}
until_ok 30 "the worker answers" curl -fsS "$REST/"

say "registering connectors/customers-source"
JSON=org.apache.kafka.connect.json.JsonConverter
register() { curl -fsS -X POST -H 'Content-Type: application/json' "$REST/connectors" -d "$1" >/dev/null || fail "could not register: $(curl -sS -X POST -H 'Content-Type: application/json' "$REST/connectors" -d "$1")"; }
register '{"name": "customers-source", "config": {
  "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
  "database.hostname": "127.0.0.1", "database.port": "'"$PG_PORT"'", "database.user": "postgres", "database.password": "postgres",
  "database.dbname": "shop", "topic.prefix": "shop", "plugin.name": "pgoutput", "table.include.list": "public.customers",
  "key.converter": "'$JSON'", "value.converter": "'$JSON'"}}'
say "registering connectors/warehouse-sink, with the transform mask-email and a dead letter queue"
register '{"name": "warehouse-sink", "config": {
  "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "shop.public.customers",
  "connection.url": "jdbc:postgresql://127.0.0.1:'"$PG_PORT"'/warehouse", "connection.username": "postgres", "connection.password": "postgres",
  "insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true", "schema.evolution": "basic",
  "collection.name.format": "customers", "key.converter": "'$JSON'", "value.converter": "'$JSON'",
  "transforms": "mask", "transforms.mask.type": "mask-email", "transforms.mask.field": "email",
  "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "warehouse.dlq",
  "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true"}}'

arrived() { [ "$(sql warehouse "select count(*) from customers where id = $1")" = 1 ]; }
until_ok 60 "the snapshot arrives" arrived 2
say "the rows that were there have arrived, with their emails masked:"
sql warehouse "select id, name, email from customers order by id"

say "writing ten rows, one commit each"
total=0
for id in $(seq 11 20); do
  from="$(date +%s%3N)"
  sql shop "insert into customers (id, name, email) values ($id, 'Customer $id', 'customer$id@example.com')"
  until_ok 30 "row $id arrives" arrived "$id"
  ms=$(( $(date +%s%3N) - from )); total=$((total + ms)); echo "row $id arrived after $ms ms (two psql starts included)"
done
echo "mean: $((total / 10)) ms"

say "an update, a delete and a change of key"
sql shop "update customers set name = 'Ada Lovelace' where id = 1; delete from customers where id = 2; update customers set id = 99 where id = 20"
same() { [ "$(sql shop "select string_agg(id || name, ',' order by id) from customers")" = "$(sql warehouse "select string_agg(id || name, ',' order by id) from customers")" ]; }
until_ok 30 "the target equals the source" same

say "one poisoned record: an email that the transform refuses"
sql shop "insert into customers (id, name, email) values (666, 'Mallory', 'not-an-email')"
sql shop "insert into customers (id, name, email) values (667, 'Trent', 'trent@example.com')"
until_ok 30 "the record after the poisoned one arrives" arrived 667
arrived 666 && fail "the poisoned record reached the target"
until_ok 30 "the dead letter queue has it" "$ROOT/target/release/millrace" consume --bootstrap "127.0.0.1:$BROKER_PORT" --topic warehouse.dlq --max 1
"$ROOT/target/release/millrace" consume --bootstrap "127.0.0.1:$BROKER_PORT" --topic warehouse.dlq --max 1 --headers
until_ok 30 "everything is well" "$ROOT/target/release/millrace" health --url "$REST"

if [ "$ONCE" = 1 ]; then say "all of it works"; exit 0; fi
cat <<E2

Up until Ctrl-C:
  REST        $REST/connectors?expand=status
  source      psql -h 127.0.0.1 -p $PG_PORT -U postgres shop
  target      psql -h 127.0.0.1 -p $PG_PORT -U postgres warehouse
  the log     any Kafka client on 127.0.0.1:$BROKER_PORT
  its output  $DIR/worker.log
E2
wait "$WORKER"
