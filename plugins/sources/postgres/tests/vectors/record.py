#!/usr/bin/env python3
"""Records what the real Debezium makes of types.sql, rows.sql and changes.sql, for each set of options in OPTIONS, into
NAME.jsonl: one line a record, {"topic", "key", "value", "headers"}, in the order of the topics and offsets.

Needs a Kafka, a Connect worker with Debezium's PostgreSQL connector and a PostgreSQL with wal_level=logical:
KAFKA_PORT, CONNECT_PORT, PG_PORT; a Python with confluent_kafka and psycopg."""
import json, os, sys, time, urllib.request
import psycopg
from confluent_kafka import Consumer, TopicPartition

HERE = os.path.dirname(os.path.abspath(__file__))
KAFKA, CONNECT, PG = ("127.0.0.1:" + os.environ["KAFKA_PORT"], "http://127.0.0.1:" + os.environ["CONNECT_PORT"], int(os.environ["PG_PORT"]))
OPTIONS = {
    "default": {},
    "alternate": {"decimal.handling.mode": "string", "time.precision.mode": "connect", "hstore.handling.mode": "map", "interval.handling.mode": "string",
                  "binary.handling.mode": "base64", "skipped.operations": "none", "provide.transaction.metadata": "true"},
    "double": {"decimal.handling.mode": "double", "time.precision.mode": "adaptive_time_microseconds", "binary.handling.mode": "hex", "tombstones.on.delete": "false",
               "unavailable.value.placeholder": "gone", "skipped.operations": "d"},
}

def rest(method, path, body=None):
    r = urllib.request.Request(CONNECT + path, method=method, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(r, timeout=60) as f: return f.status, f.read()
    except urllib.error.HTTPError as e: return e.code, e.read()

def sql(text, db="vectors"):
    with psycopg.connect(host="127.0.0.1", port=PG, user="postgres", dbname=db, autocommit=True) as c:
        for part in text.split(";\n"):
            part = "\n".join(l for l in part.split("\n") if not l.startswith("--")).strip()
            if part and not part.startswith("begin"): c.execute(part)
            elif part: c.execute(part)

def read(name): return open(os.path.join(HERE, name)).read()

def wait(what, ok, seconds=60):
    end = time.time() + seconds
    while not ok():
        if time.time() > end: raise SystemExit("gave up waiting for " + what)
        time.sleep(0.1)

def record(name, options):
    with psycopg.connect(host="127.0.0.1", port=PG, user="postgres", dbname="postgres", autocommit=True) as c:
        wait("the last connector to let go", lambda: not c.execute("select 1 from pg_replication_slots where active").fetchall())
        for (s,) in c.execute("select slot_name from pg_replication_slots where slot_name like 'vec%'").fetchall(): c.execute("select pg_drop_replication_slot(%s)", (s,))
        c.execute("drop database if exists vectors with (force)"); c.execute("create database vectors")
    sql(read("types.sql")); sql(read("rows.sql"))
    run = "vec_%s_%d" % (name, time.time()); prefix = run
    J = "org.apache.kafka.connect.json.JsonConverter"
    config = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "database.hostname": "127.0.0.1", "database.port": str(PG),
              "database.user": "postgres", "database.password": "x", "database.dbname": "vectors", "topic.prefix": prefix, "plugin.name": "pgoutput", "slot.name": run,
              "key.converter": J, "value.converter": J, "key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true", "header.converter": J,
              "poll.interval.ms": "10", "table.exclude.list": r"public\.fence", **options}
    s, b = rest("POST", "/connectors", {"name": run, "config": config}); assert s == 201, b
    sql("create table fence (id int primary key)")
    def flushed():
        with psycopg.connect(host="127.0.0.1", port=PG, user="postgres", dbname="vectors", autocommit=True) as c:
            return c.execute("select count(*) from pg_replication_slots where slot_name=%s and active", (run,)).fetchone()[0] > 0
    wait("the slot", flushed, 90)
    tables = [l.split()[2].strip() for l in read("types.sql").split("\n") if l.startswith("create table")]
    with psycopg.connect(host="127.0.0.1", port=PG, user="postgres", dbname="vectors", autocommit=True) as c:
        names = [r[0] for r in c.execute("select quote_ident(tablename) from pg_tables where schemaname='public' and tablename<>'fence' and tablename not like 't_part%'").fetchall()]
    time.sleep(3)
    # Emptied without a trace in the topics: with the session's own replication role the rows go by truncate, which is skipped by default.
    sql("truncate " + ", ".join(names + ["t_part"]))
    sql(read("rows.sql")); sql(read("changes.sql"))
    sql("create table if not exists t_end (id int primary key);\ninsert into t_end values (1)")
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": run, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    def ended(): return prefix + ".public.t_end" in c.list_topics(timeout=10).topics
    wait("the end marker", ended, 90); time.sleep(2)
    topics = sorted(t for t in c.list_topics(timeout=10).topics if t.startswith(prefix + ".") or t == prefix)
    out = open(os.path.join(HERE, name + ".jsonl"), "w")
    out.write(json.dumps({"options": options, "prefix": prefix}) + "\n")
    n = 0
    for t in topics:
        lo, hi = c.get_watermark_offsets(TopicPartition(t, 0)); c.assign([TopicPartition(t, 0, lo)])
        seen = lo
        while seen < hi:
            m = c.poll(10)
            if m is None: raise SystemExit("no message of " + t)
            if m.error(): raise SystemExit(m.error())
            seen = m.offset() + 1
            j = lambda b: None if b is None else json.loads(b)
            out.write(json.dumps({"topic": t[len(prefix):], "key": j(m.key()), "value": j(m.value()), "headers": [[k, j(v)] for k, v in (m.headers() or [])]}, ensure_ascii=False, separators=(",", ":")) + "\n"); n += 1
    print(name, n, "records of", len(topics), "topics")
    # The stored offset, as Connect shows it.
    print(rest("GET", "/connectors/%s/offsets" % run)[1].decode())
    rest("DELETE", "/connectors/" + run)

for name in sys.argv[1:] or OPTIONS: record(name, OPTIONS[name])
