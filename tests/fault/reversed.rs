//! The campaign notices: for each invariant, a worker that does it the wrong way round, faults that meet it, and a model that
//! says so within a few rounds. A build without the feature `break-invariants` of the worker fails here, as it can show nothing.

use std::collections::HashSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Redis, Trouble, Way, eventually, read_topics, report};
use rdkafka::Message;
use serde_json::json;
use tokio::sync::watch;

use crate::campaign::fault::{Fault, Planned, Which, Whom};
use crate::campaign::generation::Generation;
use crate::campaign::letters::{Redrive, What};
use crate::campaign::stage::{Kind, Stage};

/// Within so many rounds it must be caught.
const ROUNDS_MAX: usize = 12;
/// How long a round that is right may take to be so.
const SETTLE_WITHIN: Duration = Duration::from_secs(25);

/// Parts of the ids of the source's producer, and of the client that writes states and plain offsets.
const PRODUCER: &str = "connector-producer-source";
const STATES: &str = "-state";

const PLAIN: Kind = Kind { kafka: true, exactly_once: false, clock: false, disks: false };
const EXACTLY_ONCE: Kind = Kind { exactly_once: true, ..PLAIN };

fn planned(at: u64, lasts: u64, fault: Fault) -> Planned {
    Planned { at: Duration::from_millis(at), fault, lasts: Duration::from_millis(lasts) }
}

/// One way to a server falls silent, the worker dies meanwhile, and what was on that way is gone.
fn lost(link: Whom, which: Which) -> Vec<Planned> {
    vec![
        planned(150, 900, Fault::Net { link, trouble: Trouble::Silence(Some(Way::There)), which }),
        planned(650, 300, Fault::Kill(Whom::Worker)),
        planned(750, 100, Fault::Net { link, trouble: Trouble::Away, which: Which::All }),
    ]
}

async fn caught(invariant: &str, kind: Kind, plan: Vec<Planned>) -> anyhow::Result<()> {
    caught_with(invariant, kind, plan, None).await
}

async fn caught_with(invariant: &str, kind: Kind, plan: Vec<Planned>, redrive: Option<Redrive>) -> anyhow::Result<()> {
    let mut stage = Stage::start(kind, &[("MILLRACE_BREAK_INVARIANT", invariant)]).await?;
    let mut generation = Generation::begin(&mut stage, 0, rand::random()).await?;
    for round in 0..ROUNDS_MAX {
        // The first has no fault: the snapshot comes, and a connector runs.
        let (plan, redrive) = if round == 0 { (&[][..], None) } else { (&plan[..], redrive.as_ref()) };
        let outcome = generation.round_within(&mut stage, plan, redrive, SETTLE_WITHIN).await;
        let log = std::fs::read_to_string(stage.worker.dir().join("log"))?;
        ensure!(
            log.contains(&format!("invariant {invariant} is REVERSED")),
            "the worker does not break invariants: build it with --features millrace/break-invariants"
        );
        match outcome {
            Ok(_) => {}
            Err(why) if round > 0 => {
                report(format_args!("{invariant} reversed: caught in round {round}: {why:#}"));
                return Ok(());
            }
            Err(why) => return Err(why.context("without a fault")),
        }
    }
    anyhow::bail!("{invariant} is reversed, and {ROUNDS_MAX} rounds found nothing wrong")
}

/// What the table refused is mended, all along the faults.
fn refused() -> Redrive {
    Redrive { what: What::Refused, at: Duration::ZERO, lasts: Some(Duration::from_secs(3)), cancel: None }
}

/// The same faults find nothing where nothing is reversed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_caught_where_nothing_is_reversed() -> anyhow::Result<()> {
    for kind in [PLAIN, EXACTLY_ONCE] {
        let mut stage = Stage::start(kind, &[]).await?;
        let mut generation = Generation::begin(&mut stage, 0, rand::random()).await?;
        for plan in [
            Vec::new(),
            lost(Whom::Target, Which::All),
            lost(Whom::Kafka, Which::Of(PRODUCER)),
            lost(Whom::Kafka, Which::All),
            lost(Whom::Kafka, Which::Of(STATES)),
            vec![planned(300, 100, Fault::Restore)],
        ] {
            let round = generation.round(&mut stage, &plan, Some(&refused())).await;
            round.map_err(|why| why.context(format!("{kind}, {plan:?}\n{}", stage.worker.log_tail())))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sink_durable_before_commit_is_caught() -> anyhow::Result<()> {
    caught("sink-durable-before-commit", PLAIN, lost(Whom::Target, Which::All)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn source_durable_before_commit_is_caught() -> anyhow::Result<()> {
    caught("source-durable-before-commit", PLAIN, lost(Whom::Kafka, Which::Of(PRODUCER))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offset_with_records_is_caught() -> anyhow::Result<()> {
    caught("offset-with-records", EXACTLY_ONCE, lost(Whom::Kafka, Which::Of(PRODUCER))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_producer_is_caught() -> anyhow::Result<()> {
    caught("one-producer", EXACTLY_ONCE, lost(Whom::Kafka, Which::Of(PRODUCER))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable_before_release_is_caught() -> anyhow::Result<()> {
    caught("durable-before-release", PLAIN, lost(Whom::Kafka, Which::All)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_before_offset_is_caught() -> anyhow::Result<()> {
    caught("state-before-offset", PLAIN, lost(Whom::Kafka, Which::Of(STATES))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opened_before_read_is_caught() -> anyhow::Result<()> {
    caught("opened-before-read", PLAIN, vec![planned(300, 100, Fault::Restore)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_outcome_is_caught() -> anyhow::Result<()> {
    let mut plan = lost(Whom::Target, Which::All);
    // Once the job has begun.
    plan.iter_mut().for_each(|p| p.at += Duration::from_millis(600));
    caught_with("one-outcome", PLAIN, plan, Some(refused())).await
}

/// What a transform sends by itself: a copy of each line, to a topic of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sent_before_offset_is_caught() -> anyhow::Result<()> {
    const INVARIANT: &str = "sent-before-offset";
    const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
    let redis = Redis::start().await?;
    let mut stage = Stage::start(PLAIN, &[("MILLRACE_BREAK_INVARIANT", INVARIANT)]).await?;
    let from = stage.worker.dir().join("copied");
    let mut input = std::fs::File::options().create(true).append(true).open(&from)?;
    let config = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "copied",
        "key.converter": STRING, "value.converter": STRING, "retry.backoff.ms": "40", "retry.backoff.max.ms": "250",
        "transforms": "out", "transforms.out.type": "test.Outside", "transforms.out.topic": "copies",
        "transforms.out.redis.url": redis.url(), "transforms.out.redis.password": redis.password,
        "transforms.out.sign.key": "key", "transforms.out.grants": "redis,kafka", "transforms.out.kafka.topics": "copies",
    });
    stage.worker.create("copied", config).await?;
    stage.worker.running("copied").await?;
    let plan = lost(Whom::Kafka, Which::Of("connector-plugin-"));
    let mut written = 0;
    for round in 0..ROUNDS_MAX {
        let (stop, mut stopped) = watch::channel(false);
        let writing = async {
            while !*stopped.borrow_and_update() {
                input.write_all(format!("line {written}\n").as_bytes())?;
                written += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        let breaking = async {
            let healed = async {
                stage.strike(if round == 0 { &[] } else { &plan }).await?;
                stage.heal().await
            }
            .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.send_replace(true);
            healed
        };
        let (wrote, healed) = tokio::join!(writing, breaking);
        wrote.and(healed)?;
        let there = eventually("every line is copied", SETTLE_WITHIN, || async {
            let copies = read_topics(&stage.bootstrap, |t| t == "copies").await?;
            let copies: HashSet<&[u8]> = copies.iter().filter_map(|m| m.payload()).collect();
            let missing: Vec<_> = (0..written).filter(|n| !copies.contains(format!("\"line {n}\"").as_bytes())).take(5).collect();
            ensure!(missing.is_empty(), "lines {missing:?} of {written} have no copy");
            Ok(())
        });
        match there.await {
            Ok(()) => {}
            Err(why) if round > 0 => {
                report(format_args!("{INVARIANT} reversed: caught in round {round}: {why:#}"));
                return Ok(());
            }
            Err(why) => return Err(why.context("without a fault")),
        }
    }
    anyhow::bail!("{INVARIANT} is reversed, and {ROUNDS_MAX} rounds found nothing wrong")
}
