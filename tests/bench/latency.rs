//! From commit to topic: 1,000 rows a second in commits of ten, the age of each event when a consumer gets it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;

use crate::drain::source;
use crate::report::{median, verdict};
use crate::system::System;
use crate::topic::Topics;
use crate::{Bench, load};

const COMMITS_A_SECOND: u64 = 100;
const ROWS_A_COMMIT: i64 = 10;
/// Seconds whose ages do not count: Kafka's JVM compiles what it has not done before.
const WARM_UP: u64 = 10;
const TABLE: &str = "bench_latency";

struct Contender<'a> {
    name: &'static str,
    system: System<'a>,
    extra: &'static [(&'static str, &'static str)],
    /// p50, p99, highest, and the p99 of the commits themselves; of each run.
    runs: Vec<[f64; 4]>,
    events: usize,
}

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let mut sides = Vec::new();
    let mut add = |name, system, extra| sides.push(Contender { name, system, extra, runs: Vec::new(), events: 0 });
    if bench.plan.wants("Debezium") {
        add("Debezium, default settings", bench.connect().await?, &[][..]);
        add("Debezium, poll.interval.ms=10", bench.connect().await?, &[("poll.interval.ms", "10")]);
    }
    add("Millrace on Kafka", bench.on_kafka().await?, &[]);
    add("Millrace, embedded broker", bench.embedded(), &[]);
    sides.retain(|s| bench.plan.wants(s.name));
    for run in 0..bench.plan.runs {
        for (i, side) in sides.iter_mut().enumerate() {
            measure(bench, side, &format!("latency_{i}_{run}")).await?;
        }
    }
    println!("\n### Commit to topic at 1,000 rows a second, milliseconds\n");
    println!("| | p50 | p99 | max | p99 of the commits | events a run | p99 of each run |\n|---|---|---|---|---|---|---|");
    let of = |s: &Contender<'_>, i: usize| median(&s.runs.iter().map(|r| r[i]).collect::<Vec<_>>());
    for s in &sides {
        let p99: Vec<_> = s.runs.iter().map(|r| format!("{:.1}", r[1])).collect();
        let (p50, p99s) = (of(s, 0), p99.join(" "));
        println!("| {} | {p50:.1} | {:.1} | {:.1} | {:.1} | {} | {p99s} |", s.name, of(s, 1), of(s, 2), of(s, 3), s.events);
    }
    println!();
    for s in sides.iter().filter(|s| s.name.starts_with("Millrace")) {
        verdict(&format!("{}: p99 from commit to topic, ms, default settings", s.name), of(s, 1), 10.0, false);
    }
    Ok(())
}

async fn measure(bench: &Bench, side: &mut Contender<'_>, name: &str) -> anyhow::Result<()> {
    let (system, seconds) = (&side.system, bench.plan.seconds + WARM_UP);
    let topics = Topics::new(system.bootstrap)?;
    let topic = format!("{name}.public.{TABLE}");
    topics.create(&topic).await?;
    load::table(&bench.pg, TABLE).await?;
    load::create_slot(&bench.pg, name).await?;
    system.create(name, source(bench, name, TABLE, name, side.extra)).await?;
    let consumer = topics.consumer(&topic)?;
    let events = (seconds * COMMITS_A_SECOND) as usize * ROWS_A_COMMIT as usize;
    let reader = std::thread::spawn(move || read(&consumer, events));
    let written = write(bench, seconds).await;
    // The reader ends by itself once nothing comes any more.
    let read = tokio::task::spawn_blocking(move || reader.join().expect("the reader does not panic")).await?;
    system.healthy(name).await?;
    let commit = written?;
    let (all, (first, last), mut ages) = read?;
    system.delete(name).await?;
    load::drop_slot(&bench.pg, name).await?;
    topics.delete(&topic).await?;
    anyhow::ensure!(all == events, "{}: {all} of {events} events came, ids {first} to {last}", side.name);
    ages.sort_by(f64::total_cmp);
    let at = |q: f64| ages.get(((ages.len() as f64 * q) as usize).min(ages.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
    side.runs.push([at(0.5), at(0.99), at(1.0), commit]);
    side.events = ages.len();
    let load = crate::usage::load_average();
    let figures = format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0));
    eprintln!("  {:<44} {figures}; commits p99 {commit:.1} ms; load {load:.1}", side.name);
    Ok(())
}

/// Commits paced by the clock: a slow one does not slow down those after it. Answers how long PostgreSQL took for them, p99 in
/// milliseconds: that much of an event's age is not the connector's.
async fn write(bench: &Bench, seconds: u64) -> anyhow::Result<f64> {
    let client = bench.pg.client("src").await?;
    let mut pace = tokio::time::interval(Duration::from_millis(1_000 / COMMITS_A_SECOND));
    let mut took = Vec::new();
    for k in 0..seconds * COMMITS_A_SECOND {
        pace.tick().await;
        let lo = 1 + k as i64 * ROWS_A_COMMIT;
        let began = Instant::now();
        client.batch_execute(&format!("insert into {TABLE} {}", load::rows(lo, lo + ROWS_A_COMMIT - 1))).await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() * 99 / 100])
}

/// How many events came, the ids of the first and the last, and the ages in milliseconds of those beyond the warm-up: from the commit's time by PostgreSQL's
/// clock, which is this machine's, to the moment when the consumer has the event.
fn read(consumer: &BaseConsumer, events: usize) -> anyhow::Result<(usize, (i64, i64), Vec<f64>)> {
    let (mut all, mut ages, mut ids) = (0, Vec::new(), (0, 0));
    let mut heard = Instant::now();
    while all < events {
        // A poll may answer nothing before its time. The connector starts first; then silence is the end.
        let Some(m) = consumer.poll(Duration::from_secs(1)) else {
            if heard.elapsed() > Duration::from_secs(if all == 0 { 60 } else { 10 }) {
                break;
            }
            continue;
        };
        heard = Instant::now();
        let m = m?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as f64;
        let event: serde_json::Value = serde_json::from_slice(m.payload().unwrap_or_default())?;
        let id = event["after"]["id"].as_i64().unwrap_or(0);
        let committed = event["source"]["ts_us"].as_f64().ok_or_else(|| anyhow::anyhow!("no source.ts_us in {event}"))?;
        all += 1;
        ids = (if all == 1 { id } else { ids.0 }, id);
        if id > (WARM_UP * COMMITS_A_SECOND) as i64 * ROWS_A_COMMIT {
            ages.push((now - committed) / 1_000.0);
        }
    }
    Ok((all, ids, ages))
}
