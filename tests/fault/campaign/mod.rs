//! The fault campaign: short rounds in which anything breaks at any moment, and after each of which a model of what committed
//! at the source is compared with the log and with the targets. How it works, and how a round is had again: README.md beside
//! this folder.

mod clock;
pub mod connectors;
mod disk;
pub mod fault;
pub mod generation;
mod journal;
pub mod letters;
mod lines;
mod settings;
pub mod stage;
mod tally;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use millrace_tests::report;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::fault::Planned;
use self::generation::Generation;
use self::letters::Redrive;
use self::settings::Settings;
use self::stage::{Kind, Stage};
use self::tally::Tally;

/// Rounds on one set of servers.
const STAGE_ROUNDS: usize = 25;
/// Makes another seed of a stage's, for what is redriven.
const REDRIVES: u64 = 0x7265_6472_6976_6573;
/// Rounds of one generation of connectors, at the most.
const GENERATION_ROUNDS: std::ops::RangeInclusive<usize> = 4..=12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn campaign() -> anyhow::Result<()> {
    let settings = Settings::read()?;
    report(format_args!("fault campaign: {} rounds, MILLRACE_FAULT_SEED={}", settings.rounds, settings.seed));
    let (tally, next) = (Arc::new(Mutex::new(Tally::default())), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let stages: Vec<usize> = match &settings.only {
        Some(some) => some.clone(),
        None => (0..settings.rounds.div_ceil(STAGE_ROUNDS)).collect(),
    };
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..settings.lanes {
        let (settings, stages, tally, next) = (settings.clone(), stages.clone(), tally.clone(), next.clone());
        lanes.spawn(async move {
            while let Some(at) = stages.get(next.fetch_add(1, Ordering::SeqCst)) {
                run_stage(&settings, *at, &tally).await?;
            }
            anyhow::Ok(())
        });
    }
    // The first failure ends the others.
    while let Some(lane) = lanes.join_next().await {
        lane?.inspect_err(|_| report(format_args!("until a round failed:\n{}", tally.lock())))?;
    }
    report(format_args!("{}\n{:.0?}, failures: 0", tally.lock(), begun.elapsed()));
    Ok(())
}

/// Both logs, and both promises, come within the first four.
fn kind(at: usize) -> Kind {
    Kind { kafka: at % 2 == 1, exactly_once: at / 2 % 2 == 1, clock: at % 3 == 2, disks: at % 3 == 0 }
}

async fn run_stage(settings: &Settings, at: usize, tally: &Mutex<Tally>) -> anyhow::Result<()> {
    let kind = kind(at);
    let mut rng = StdRng::seed_from_u64(settings.seed ^ (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // By itself, so that the faults of a seed are the same with it and without.
    let mut redrives = StdRng::seed_from_u64(rng.clone().random::<u64>() ^ REDRIVES);
    let mut stage = Stage::start(kind, &[]).await?;
    let rounds = STAGE_ROUNDS.min(settings.rounds - (at * STAGE_ROUNDS).min(settings.rounds));
    let (mut generation, mut ends): (Option<Generation>, usize) = (None, 0);
    for round in 0..rounds {
        // Drawn first, so that what is drawn does not depend on how the round goes.
        let (life, seed) = (rng.random_range(GENERATION_ROUNDS), rng.random());
        let plan = fault::plan(&mut rng, stage.breakable(), settings.kind.as_deref());
        let redrive = letters::draw(&mut redrives);
        let outcome = async {
            if round == ends {
                if let Some(old) = &generation {
                    connectors::delete(&mut stage, old.number).await?;
                }
                generation = Some(Generation::begin(&mut stage, round, seed).await?);
                ends = round + life;
            }
            let generation = generation.as_mut().expect("the first round begins one");
            generation.round(&mut stage, &plan, redrive.as_ref()).await
        }
        .await;
        match outcome {
            Ok(counted) => {
                let planned = planned(&plan, redrive.as_ref()).join("; ");
                eprintln!("stage {at} round {round}: {:.1?}, {} changes; {planned}", counted.took, counted.changes);
                tally.lock().add(&kind.to_string(), &plan, &counted)
            }
            Err(why) => {
                let failure = failure(settings, at, round, &stage, &planned(&plan, redrive.as_ref()), why).await;
                if !settings.hold.is_zero() {
                    report(format_args!("{failure}\nheld for {:?}: {stage}", settings.hold));
                    tokio::time::sleep(settings.hold).await;
                }
                anyhow::bail!(failure)
            }
        }
    }
    Ok(())
}

fn planned(plan: &[Planned], redrive: Option<&Redrive>) -> Vec<String> {
    plan.iter().map(ToString::to_string).chain(redrive.map(ToString::to_string)).collect()
}

/// All that somebody needs who looks for the cause.
async fn failure(settings: &Settings, at: usize, round: usize, stage: &Stage, planned: &[String], why: anyhow::Error) -> String {
    let status = stage.worker.get("/connectors?expand=status").await.map(|(_, s)| format!("{s:#}")).unwrap_or_default();
    format!(
        "round {round} of stage {at} ({}) failed: {why:#}\nfaults:\n  {}\nstatus: {status}\nthe worker's log:\n{}\n\
         the same rounds again: MILLRACE_FAULT_SEED={} MILLRACE_FAULT_STAGE={at} MILLRACE_FAULT_ROUNDS={} scripts/fault.sh",
        stage.kind,
        planned.join("\n  "),
        stage.worker.log_tail(),
        settings.seed,
        settings.rounds,
    )
}
