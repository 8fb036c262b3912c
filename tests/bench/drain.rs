//! PostgreSQL to topic: the same write-ahead log, drained by each side in turn, and by `pg_recvlogical` into nothing, which
//! is what PostgreSQL itself can do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::report::{Side, Window, print, verdict};
use crate::system::System;
use crate::topic::Topics;
use crate::{Bench, load};

pub const LIMIT: &str = "pg_recvlogical into nothing";
/// Debezium's fastest settings found: more in flight, larger requests.
pub const TUNED: &[(&str, &str)] = &[
    ("max.batch.size", "20480"),
    ("max.queue.size", "81920"),
    ("poll.interval.ms", "50"),
    ("producer.override.linger.ms", "20"),
    ("producer.override.batch.size", "524288"),
    ("producer.override.compression.type", "lz4"),
];
/// How long Connect's JVM may warm up before anything is counted.
const WARM_UP: Duration = Duration::from_secs(8);

/// A PostgreSQL source as Debezium's users write it; `prefix` names its topics.
pub fn source(bench: &Bench, prefix: &str, table: &str, slot: &str, extra: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": bench.pg.port.to_string(), "database.user": "postgres",
        "database.password": "x", "database.dbname": "src", "topic.prefix": prefix, "table.include.list": format!("public.{table}"),
        "plugin.name": "pgoutput", "slot.name": slot, "publication.name": format!("pub_{table}"),
        "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data", "tombstones.on.delete": "false",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
    });
    for (key, value) in extra {
        config[*key] = json!(value);
    }
    config
}

/// A side: its name, who it is, and its settings beyond the common ones.
struct Contender<'a> {
    name: &'static str,
    system: System<'a>,
    extra: Vec<(&'static str, &'static str)>,
    /// It writes in transactions, each of which takes an offset more.
    once: bool,
}

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let mut sides = Vec::new();
    let mut add = |name, system, extra: &[_]| sides.push(Contender { name, system, extra: extra.to_vec(), once: false });
    if bench.plan.wants("Debezium") {
        add("Debezium, default settings", bench.connect().await?, &[]);
        add("Debezium, tuned", bench.connect().await?, TUNED);
    }
    add("Millrace on Kafka", bench.on_kafka().await?, &[]);
    add("Millrace, embedded broker", bench.embedded(), &[]);
    let figures = compare(bench, "drain", true, &sides).await?;
    print("PostgreSQL to topic, streaming", LIMIT, "Debezium, tuned", &figures);
    let side = |name: &str| figures.iter().find(|s| s.name == name);
    let of = |name: &str, figure: fn(&Side) -> f64| side(name).map_or(f64::NAN, figure);
    println!();
    for ours in ["Millrace on Kafka", "Millrace, embedded broker"] {
        verdict(&format!("{ours}: share of the limit"), of(ours, Side::rate) / of(LIMIT, Side::rate), 0.9, true);
        let cpu = |s: &Side| crate::report::median(&s.cpu);
        let memory = |s: &Side| crate::report::median(&s.memory);
        verdict(
            &format!("{ours}: share of tuned Debezium's CPU a record"),
            of(ours, cpu) / of("Debezium, tuned", cpu),
            0.1,
            false,
        );
        verdict(
            &format!("{ours}: share of tuned Debezium's memory"),
            of(ours, memory) / of("Debezium, tuned", memory),
            0.1,
            false,
        );
    }
    Ok(())
}

/// With exactly-once delivery, beside Debezium with it, and beside at-least-once.
pub async fn run_once(bench: &Bench) -> anyhow::Result<()> {
    const PEER: &str = "Debezium, tuned, exactly once";
    const PLAIN: &str = "Millrace on Kafka";
    let mut sides = Vec::new();
    let mut add = |name, system, extra: &[_], once| sides.push(Contender { name, system, extra: extra.to_vec(), once });
    if bench.plan.wants("Debezium") {
        add(PEER, bench.connect_once().await?, TUNED, true);
    }
    add(PLAIN, bench.on_kafka().await?, &[], false);
    add("Millrace on Kafka, exactly once", bench.on_kafka_once().await?, &[], true);
    add("Millrace, embedded broker, exactly once", bench.embedded_once().await?, &[], true);
    let figures = compare(bench, "once", false, &sides).await?;
    print("PostgreSQL to topic, exactly once", PLAIN, PEER, &figures);
    Ok(())
}

/// Millrace with and without a WASM transform in the path, beside Debezium with Java's for the same: `MaskField` knows the fields of
/// a row alone, so that the event is unwrapped first. Ours masks both rows of an event, and writes the whole of it.
pub async fn run_transform(bench: &Bench) -> anyhow::Result<()> {
    const MASK: &[(&str, &str)] =
        &[("transforms", "mask"), ("transforms.mask.type", "mask-email"), ("transforms.mask.field", "email")];
    const MASK_FIELD: &[(&str, &str)] = &[
        ("transforms", "unwrap,mask"),
        ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.mask.type", "org.apache.kafka.connect.transforms.MaskField$Value"),
        ("transforms.mask.fields", "email"),
        ("transforms.mask.replacement", "c***@example.com"),
    ];
    let mut sides = Vec::new();
    let mut add = |name, system, extra: Vec<_>| sides.push(Contender { name, system, extra, once: false });
    add("Millrace without a transform", bench.on_kafka().await?, vec![]);
    add("Millrace with a WASM transform", bench.on_kafka().await?, MASK.to_vec());
    if bench.plan.wants("Debezium") {
        add("Debezium, tuned, unwrap and MaskField", bench.connect().await?, [TUNED, MASK_FIELD].concat());
    }
    let figures = compare(bench, "transform", false, &sides).await?;
    print("A WASM transform in the path", "Millrace without a transform", "Debezium, tuned, unwrap and MaskField", &figures);
    println!();
    if let [without, with, rest @ ..] = &figures[..] {
        verdict("throughput with a WASM transform, of that without", with.rate() / without.rate(), 0.85, true);
        if let [java] = rest {
            let cpu = |s: &Side| crate::report::median(&s.cpu);
            verdict("records a second a core with a WASM transform, of those with Java's", cpu(java) / cpu(with), 3.0, true);
        }
    }
    Ok(())
}

async fn compare(bench: &Bench, what: &str, with_limit: bool, sides: &[Contender<'_>]) -> anyhow::Result<Vec<Side>> {
    let loaded = bench.loaded().await?;
    let sides: Vec<_> = sides.iter().filter(|s| bench.plan.wants(s.name)).collect();
    let mut limit = Side::new(LIMIT);
    let mut figures: Vec<Side> = sides.iter().map(|s| Side::new(s.name)).collect();
    if let Some(warm) = sides.iter().find(|s| s.name.starts_with("Debezium")) {
        drain(bench, warm, &format!("warm_{what}"), WARM_UP, &mut Side::new("(Connect warms up)")).await?;
    }
    for run in 0..bench.plan.runs {
        if with_limit {
            let l = load::limit(&bench.pg, loaded, &format!("limit_{run}")).await?;
            limit.rates.push(l.rate);
            limit.seconds.push(l.seconds);
            limit.cpu.push(l.cpu);
            limit.server.push(l.server);
            limit.memory.push(l.memory as f64);
            eprintln!(
                "  {LIMIT:<44} {:>9.0} records/s over {:.1} s, load {:.1}",
                l.rate,
                l.seconds,
                crate::usage::load_average()
            );
        }
        for (i, (side, figures)) in sides.iter().zip(&mut figures).enumerate() {
            drain(bench, side, &format!("{what}_{i}_{run}"), bench.plan.window(), figures).await?;
        }
    }
    if with_limit {
        figures.insert(0, limit);
    }
    Ok(figures)
}

/// One run: the rate from the first records in the topic until the time is over or all rows are there.
async fn drain(bench: &Bench, side: &Contender<'_>, name: &str, time: Duration, figures: &mut Side) -> anyhow::Result<()> {
    let (loaded, system) = (bench.loaded().await?, &side.system);
    let topics = Topics::new(system.bootstrap)?;
    let topic = format!("{name}.public.{}", load::TABLE);
    topics.create(&topic).await?;
    load::copy_slot(&bench.pg, name).await?;
    system.create(name, source(bench, name, load::TABLE, name, &side.extra)).await?;
    let (started, mut asked) = (Instant::now(), Instant::now());
    let mut window: Option<Window> = None;
    let ended = loop {
        let n = topics.count(&topic);
        match &window {
            None if n > 0 => window = Some(Window::open(system.pid, load::reader(&bench.pg, name).await?, n)),
            Some(w) if n >= loaded.rows || w.seconds() >= time.as_secs_f64() => {
                window.take().expect("just seen").close(figures, n);
                break n;
            }
            _ => {}
        }
        if asked.elapsed() > Duration::from_secs(2) {
            asked = Instant::now();
            system.healthy(name).await?;
            let patience = time + Duration::from_secs(60);
            anyhow::ensure!(
                started.elapsed() < patience,
                "{}: {n} of {}: {:#}",
                side.name,
                loaded.rows,
                system.status(name).await?
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    system.delete(name).await?;
    load::drop_slot(&bench.pg, name).await?;
    figures.bytes = topics.sample(&topic, 1_000)?;
    let share = if side.once { topics.share_of_records(&topic, ended)? } else { 1.0 };
    figures.of_these_records(share);
    let n = (ended as f64 * share) as i64;
    anyhow::ensure!(n <= loaded.rows, "{}: {n} records of {} rows", side.name, loaded.rows);
    topics.delete(&topic).await
}
