//! PostgreSQL to topic: a slot full of changes, drained by each side in turn, and by `pg_recvlogical` into nothing, which
//! is what PostgreSQL itself can do.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::report::{Meter, Side, print};
use crate::system::{Counter, System};
use crate::{Bench, load};

/// Debezium's fastest settings found: more in flight, larger requests.
const TUNED: &[(&str, &str)] = &[
    ("max.batch.size", "20480"),
    ("max.queue.size", "81920"),
    ("poll.interval.ms", "50"),
    ("producer.override.linger.ms", "20"),
    ("producer.override.batch.size", "524288"),
    ("producer.override.compression.type", "lz4"),
];

/// A Debezium PostgreSQL source as its users write it.
pub fn source(bench: &Bench, name: &str, table: &str, slot: &str) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": bench.pg.port.to_string(), "database.user": "postgres",
        "database.password": "x", "database.dbname": "src", "topic.prefix": name, "table.include.list": format!("public.{table}"),
        "plugin.name": "pgoutput", "slot.name": slot, "publication.name": format!("pub_{table}"),
        "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data", "tombstones.on.delete": "false",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
    })
}

/// A system, what is said of its settings, and those settings.
type Contender<'a> = (System<'a>, &'static str, Vec<(&'static str, &'static str)>);

/// With `transform`: Millrace alone, with and without a WASM transform in the path.
pub async fn run(bench: &Bench, transform: bool) -> anyhow::Result<()> {
    let kafka = bench.kafka.address();
    let on_kafka = System::millrace("Millrace on Kafka", &bench.millrace);
    let embedded = System::millrace("Millrace, embedded broker", &bench.embedded);
    let peer = System::connect("Debezium", &bench.connect, &kafka);
    let sides: Vec<Contender<'_>> = if transform {
        let mask = vec![("transforms", "mask"), ("transforms.mask.type", "mask-email"), ("transforms.mask.field", "email")];
        vec![(on_kafka, "without a transform", vec![]), (on_kafka, "with a WASM transform", mask)]
    } else {
        vec![
            (peer, "default settings", vec![]),
            (peer, "tuned", TUNED.to_vec()),
            (on_kafka, "default settings", vec![]),
            (embedded, "default settings", vec![]),
        ]
    };
    load::drop_slots(&bench.pg).await?;
    load::table(&bench.pg, "bench_drain").await?;
    for run in 0..bench.runs {
        load::create_slot(&bench.pg, &format!("limit_{run}")).await?;
        for i in 0..sides.len() {
            load::create_slot(&bench.pg, &format!("side_{i}_{run}")).await?;
        }
    }
    load::load(&bench.pg, "bench_drain", bench.rows).await?;
    let mut limit = Side::new("pg_recvlogical into nothing");
    let mut figures: Vec<Side> = sides.iter().map(|(s, how, _)| Side::new(format!("{}, {how}", s.name))).collect();
    for run in 0..bench.runs {
        if !transform {
            limit.rates.push(recvlogical(bench, &format!("limit_{run}")).await?);
        }
        for (i, (system, _, extra)) in sides.iter().enumerate() {
            let (slot, name) = (format!("side_{i}_{run}"), format!("drain{i}{run}t{transform}"));
            let mut config = source(bench, &name, "bench_drain", &slot);
            for (k, v) in extra {
                config[*k] = json!(v);
            }
            drain(bench, system, &name, config, &mut figures[i]).await?;
            load::drop_slots_named(&bench.pg, &slot).await?;
        }
    }
    if !transform {
        limit.cpu.push(0.0);
        figures.push(limit);
    }
    print(if transform { "A WASM transform in the path" } else { "PostgreSQL to topic, streaming" }, &figures);
    Ok(())
}

/// One run: the rate from the first record in the topic to the last.
async fn drain(bench: &Bench, system: &System<'_>, name: &str, config: Value, side: &mut Side) -> anyhow::Result<()> {
    let counter = Counter::new(system.bootstrap)?;
    let topic = format!("{name}.public.bench_drain");
    system.create(name, config).await?;
    let deadline = Instant::now() + Duration::from_secs(600);
    let mut first: Option<(i64, Meter<'_>)> = None;
    loop {
        let n = counter.count(&topic);
        if first.is_none() && n > 0 {
            first = Some((n, Meter::start(system.process)));
        }
        if n >= bench.rows {
            break;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{}: stuck at {n} of {}: {:#}",
            system.name,
            bench.rows,
            system.status(name).await?
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (n, meter) = first.expect("records came");
    meter.stop(side, bench.rows - n);
    system.delete(name).await
}

async fn recvlogical(bench: &Bench, slot: &str) -> anyhow::Result<f64> {
    let end = bench.pg.query("src", "select pg_current_wal_lsn()").await?.remove(0);
    let mut c = Command::new("pg_recvlogical");
    c.args(["-h", "127.0.0.1", "-U", "postgres", "-d", "src", "-f", "/dev/null", "--start", "-S", slot, "-p"])
        .arg(bench.pg.port.to_string());
    c.args(["-o", "proto_version=1", "-o", "publication_names=pub_bench_drain", "-E", &end]);
    c.stdin(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let ok = tokio::task::spawn_blocking(move || c.status()).await??.success();
    anyhow::ensure!(ok, "pg_recvlogical failed");
    let rate = bench.rows as f64 / started.elapsed().as_secs_f64();
    load::drop_slots_named(&bench.pg, slot).await?;
    Ok(rate)
}
