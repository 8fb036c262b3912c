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

/// What one round counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct Round {
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
        write!(f, "longest round {:.1?}", self.longest)
    }
}
