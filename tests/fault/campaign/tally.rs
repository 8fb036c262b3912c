//! What a campaign has counted, as the table that is published.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::Planned;

#[derive(Debug, Default, Clone, Copy)]
struct Line {
    rounds: u64,
    changes: u64,
    log_duplicates: u64,
    sink_duplicates: i64,
}

impl Line {
    fn add(&mut self, round: &Round) {
        self.rounds += 1;
        self.changes += round.changes;
        self.log_duplicates += round.log_duplicates;
        self.sink_duplicates += round.sink_duplicates;
    }
}

/// What became of records that their sink refused.
#[derive(Debug, Default, Clone, Copy)]
pub struct Letters {
    pub letters: u64,
    /// Of them those that came once more, of the same record.
    pub again: u64,
    pub jobs: u64,
    pub cancelled: u64,
    pub redriven: u64,
    pub failed_again: u64,
    pub discarded: u64,
}

impl Letters {
    fn each(&mut self, other: Letters, f: impl Fn(&mut u64, u64)) {
        f(&mut self.letters, other.letters);
        f(&mut self.again, other.again);
        f(&mut self.jobs, other.jobs);
        f(&mut self.cancelled, other.cancelled);
        f(&mut self.redriven, other.redriven);
        f(&mut self.failed_again, other.failed_again);
        f(&mut self.discarded, other.discarded);
    }

    pub fn since(mut self, before: Letters) -> Letters {
        self.each(before, |n, before| *n -= before);
        self
    }
}

/// What one round counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct Round {
    pub letters: Letters,
    pub changes: u64,
    pub log_duplicates: u64,
    pub sink_duplicates: i64,
    pub took: Duration,
}

#[derive(Default)]
pub struct Tally {
    /// By kind of fault and by kind of stage. A round of two faults counts for both.
    faults: BTreeMap<String, Line>,
    stages: BTreeMap<String, Line>,
    letters: BTreeMap<String, Letters>,
    all: Line,
    longest: Duration,
}

impl Tally {
    pub fn add(&mut self, stage: &str, plan: &[Planned], round: &Round) {
        let mut kinds: Vec<_> = plan.iter().map(|p| p.fault.kind()).collect();
        kinds.dedup();
        for kind in kinds {
            self.faults.entry(kind).or_default().add(round);
        }
        self.stages.entry(stage.to_owned()).or_default().add(round);
        self.all.add(round);
        for name in [stage, "all"] {
            self.letters.entry(name.to_owned()).or_default().each(round.letters, |n, more| *n += more);
        }
        self.longest = self.longest.max(round.took);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = |f: &mut std::fmt::Formatter<'_>, name: &str, l: &Line| {
            writeln!(f, "| {name} | {} | {} | {} | {} |", l.rounds, l.changes, l.log_duplicates, l.sink_duplicates)
        };
        for (title, lines) in [("stage", &self.stages), ("fault", &self.faults)] {
            writeln!(
                f,
                "| {title} | rounds | changes committed | again in the log | again in a sink that adds rows |\n|---|---:|---:|---:|---:|"
            )?;
            for (name, l) in lines {
                line(f, name, l)?;
            }
            if title == "stage" {
                line(f, "all", &self.all)?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "| stage | dead letters | again in the queue | redrive jobs | cancelled | redriven | failed again | discarded |\n|---|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        // All come last.
        let (all, stages): (Vec<_>, Vec<_>) = self.letters.iter().partition(|(name, _)| *name == "all");
        for (name, l) in stages.into_iter().chain(all) {
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} | {} | {} | {} |",
                l.letters, l.again, l.jobs, l.cancelled, l.redriven, l.failed_again, l.discarded
            )?;
        }
        writeln!(f)?;
        write!(f, "longest round {:.1?}", self.longest)
    }
}
