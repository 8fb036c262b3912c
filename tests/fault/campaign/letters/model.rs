//! The model of dead letters: which records their sink refuses, which letters came of them, and what became of each.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail, ensure};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::Value;

use super::LEDGER;
use super::feed::{Kind, kind, number};
use crate::campaign::journal::Sums;
use crate::campaign::tally::Letters as Counts;

/// Where a record was consumed.
type Origin = (i32, i64);

struct Letter {
    number: usize,
    origin: Origin,
    stage: String,
    /// The letter that failed again, where it comes of that.
    of: Option<i64>,
}

struct Outcome {
    outcome: String,
    job: u64,
    /// The letter that came of it.
    to: Option<i64>,
}

/// The queue has one partition: its letters are known by their offset.
#[derive(Default)]
pub struct Model {
    queue: String,
    /// The log's records.
    records: HashMap<Origin, usize>,
    /// How often the log has each line.
    lines: HashMap<usize, u32>,
    letters: BTreeMap<i64, Letter>,
    outcomes: BTreeMap<i64, Outcome>,
    /// What the target has to have.
    pub well: Sums,
    pub mended: Sums,
}

/// The last header of a name.
fn header<'a>(m: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let found = m.headers()?.iter().filter(|h| h.key == name).last()?;
    std::str::from_utf8(found.value?).ok()
}

/// The offset in a position of the queue.
fn offset(position: &str) -> anyhow::Result<i64> {
    let offset = position.strip_prefix("0-").and_then(|o| o.parse().ok());
    offset.with_context(|| format!("{position:?} is no position in a queue of one partition"))
}

impl Model {
    pub fn new(queue: &str) -> Model {
        Model { queue: queue.to_owned(), ..Model::default() }
    }

    /// A record of the log, the queue or the ledger. `once`: the log has each line once.
    pub fn show(&mut self, m: &OwnedMessage, once: bool) -> anyhow::Result<()> {
        let at = format!("{}-{}@{}", m.topic(), m.partition(), m.offset());
        if m.topic() == LEDGER {
            return self.show_outcome(m).context(at);
        }
        if m.topic() == self.queue {
            let letter = letter(m).with_context(|| at.clone())?;
            let twice = letter.of.and_then(|of| self.letters.iter().find(|(_, l)| l.of == Some(of)));
            ensure!(twice.is_none(), "{at} and @{:?} are both of the letter @{:?}", twice.map(|t| t.0), letter.of);
            self.letters.insert(m.offset(), letter);
            return Ok(());
        }
        let number = number(m.payload().unwrap_or_default()).with_context(|| at.clone())?;
        let seen = self.lines.entry(number).or_default();
        *seen += 1;
        ensure!(!once || *seen == 1, "{at} is line {number} for the {seen}. time, where each is promised once");
        if kind(number) == Kind::Well {
            self.well.add(number as i64);
        }
        self.records.insert((m.partition(), m.offset()), number);
        Ok(())
    }

    fn show_outcome(&mut self, m: &OwnedMessage) -> anyhow::Result<()> {
        let key: Value = serde_json::from_slice(m.key().unwrap_or_default())?;
        if key[0] != "outcome" || key[1] != *self.queue {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(m.payload().unwrap_or_default())?;
        let at = key[3].as_i64().context("an outcome has its letter's offset")?;
        let outcome = Outcome {
            outcome: value["outcome"].as_str().context("an outcome")?.to_owned(),
            job: value["job"].as_u64().context("an outcome is of a job")?,
            to: value["to"].as_str().map(offset).transpose()?,
        };
        if let Some(before) = self.outcomes.insert(at, outcome) {
            bail!("the letter @{at} has two outcomes: {} of job {}, and {value}", before.outcome, before.job);
        }
        Ok(())
    }

    /// What can never be right again. All causes of what was shown are known.
    pub fn check(&mut self) -> anyhow::Result<()> {
        for (at, letter) in &self.letters {
            let Letter { number, origin, stage, of } = letter;
            let says = format!("the letter @{at} of line {number} says that it is from {origin:?}");
            ensure!(self.records.get(origin) == Some(number), "{says}, where {:?} is", self.records.get(origin));
            let fits = match kind(*number) {
                Kind::Well => false,
                Kind::Refused => stage == "TASK_PUT",
                Kind::Unreadable => stage == "VALUE_CONVERTER",
            };
            ensure!(fits, "{says} and failed at {stage}, and the line is {:?}", kind(*number));
            if let Some(of) = of {
                let before = self.letters.get(of).map(|l| (l.number, l.origin));
                ensure!(before == Some((*number, *origin)), "{says} and comes of @{of}, which is {before:?}");
            }
        }
        self.mended = Sums::default();
        for (at, outcome) in &self.outcomes {
            let letter = self.letters.get(at).with_context(|| format!("@{at} has an outcome, and is no letter"))?;
            match (kind(letter.number), &*outcome.outcome) {
                (Kind::Refused, "redriven") => self.mended.add(letter.number as i64),
                (Kind::Unreadable, "failed again" | "discarded") => {}
                (kind, outcome) => bail!("the letter @{at} of line {}, which is {kind:?}, was {outcome}", letter.number),
            }
        }
        Ok(())
    }

    /// Whether the log has all lines, the queue all that were refused, and each outcome its letter.
    pub fn complete(&self, written: usize) -> anyhow::Result<()> {
        ensure!(self.lines.len() == written, "{} of {written} lines are in the log", self.lines.len());
        let firsts: HashMap<Origin, i64> =
            self.letters.iter().filter(|(_, l)| l.of.is_none()).map(|(at, l)| (l.origin, *at)).collect();
        let mut missing: Vec<_> =
            self.records.iter().filter(|(at, n)| kind(**n) != Kind::Well && !firsts.contains_key(*at)).collect();
        missing.sort_unstable();
        let some = missing.iter().take(5).collect::<Vec<_>>();
        ensure!(missing.is_empty(), "{} bad records are in no queue, such as {some:?} (place, line)", missing.len());
        for (at, outcome) in self.outcomes.iter().filter(|(_, o)| o.outcome == "failed again") {
            let to = outcome.to.and_then(|to| self.letters.get(&to));
            ensure!(to.is_some_and(|l| l.of == Some(*at)), "@{at} failed again, and {:?} is not the letter of it", outcome.to);
        }
        for (at, letter) in &self.letters {
            let of = letter.of.map(|of| self.outcomes.get(&of));
            ensure!(
                of.is_none_or(|o| o.is_some_and(|o| o.to == Some(*at))),
                "@{at} comes of @{:?}, which has no outcome",
                letter.of
            );
        }
        Ok(())
    }

    /// Whether a job has done what it says, and, but for one that was cancelled, what was asked of it.
    pub fn settled(&self, job: &Value, cancelled: bool) -> anyhow::Result<()> {
        let id: u64 = job["id"].as_str().unwrap_or_default().parse()?;
        let of = |outcome: &str| self.outcomes.values().filter(|o| o.job == id && o.outcome == outcome).count() as u64;
        let count = |name: &str| job[name].as_u64().unwrap_or_default();
        for (name, outcome) in [("redriven", "redriven"), ("failed_again", "failed again"), ("discarded", "discarded")] {
            ensure!(count(name) == of(outcome), "the log has {} that were {outcome}", of(outcome));
        }
        ensure!(count("filtered") + count("missing") == 0, "nothing is filtered, and nothing is missing");
        if cancelled {
            return Ok(());
        }
        // None: the queue was empty.
        let until = job["until"].as_str().map_or(Ok(0), offset)?;
        let (selection, stage) = (&job["selection"], &job["selection"]["filter"]["stage"]);
        let named = selection["positions"].as_array();
        let selected: Vec<i64> = match named {
            Some(named) => named.iter().map(|at| offset(at.as_str().unwrap_or_default())).collect::<Result<_, _>>()?,
            None => {
                let wanted = |l: &Letter| stage.as_str().is_none_or(|stage| l.stage == stage);
                self.letters.range(..until).filter(|(_, l)| wanted(l)).map(|(at, _)| *at).collect()
            }
        };
        let without: Vec<_> = selected.iter().filter(|at| !self.outcomes.contains_key(at)).collect();
        ensure!(without.is_empty(), "{} of {} selected letters have no outcome: {without:?}", without.len(), selected.len());
        if named.is_some() {
            let all = of("redriven") + of("failed again") + count("skipped");
            ensure!(all == selected.len() as u64, "{} were named, and {all} are accounted for", selected.len());
        }
        Ok(())
    }

    /// Those without an outcome.
    pub fn waiting(&self) -> Vec<i64> {
        self.letters.keys().copied().filter(|at| !self.outcomes.contains_key(at)).collect()
    }

    /// How many letters have which outcome, by its name.
    pub fn by_outcome(&self) -> BTreeMap<&str, u64> {
        let mut all = BTreeMap::new();
        for at in self.letters.keys() {
            *all.entry(self.outcomes.get(at).map_or("waiting", |o| &*o.outcome)).or_default() += 1;
        }
        all
    }

    /// But for jobs.
    pub fn counted(&self) -> Counts {
        let by = self.by_outcome();
        let of = |outcome| by.get(outcome).copied().unwrap_or_default();
        let firsts = self.letters.values().filter(|l| l.of.is_none()).count() as u64;
        let bad = self.records.values().filter(|n| kind(**n) != Kind::Well).count() as u64;
        Counts {
            letters: self.letters.len() as u64,
            again: firsts.saturating_sub(bad),
            redriven: of("redriven"),
            failed_again: of("failed again"),
            discarded: of("discarded"),
            ..Counts::default()
        }
    }
}

fn letter(m: &OwnedMessage) -> anyhow::Result<Letter> {
    let said = |name: &str| header(m, name).with_context(|| format!("it has no header {name}"));
    let origin = (said("__connect.errors.partition")?.parse()?, said("__connect.errors.offset")?.parse()?);
    let of = header(m, "dlq.redrive.position").map(offset).transpose()?;
    let stage = said("__connect.errors.stage")?.to_owned();
    Ok(Letter { number: number(m.payload().unwrap_or_default())?, origin, stage, of })
}
