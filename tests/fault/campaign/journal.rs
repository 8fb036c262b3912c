//! The model: what committed at the source, statement by statement, and what the log has shown of it so far.

use std::collections::{HashMap, HashSet};

use anyhow::ensure;
use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use serde_json::Value;

/// How many examples a message names.
const EXAMPLES: usize = 5;

/// A row as it was written once. Every write has a number of its own.
struct Change {
    table: usize,
    /// Its statement's place in the order of commits; 0: it came before the connector, and only its last state is promised.
    statement: u32,
    /// How often the log has it as a change, and as a row that a snapshot read.
    seen: u32,
    read: u32,
    /// How often the log says that it was deleted.
    deleted: u32,
}

/// Of one statement: the table, and the numbers of the rows that it wrote or deleted.
pub struct Statement {
    pub table: usize,
    pub written: Vec<i64>,
    pub deleted: Vec<i64>,
}

/// All that committed, and all that the log showed.
#[derive(Default)]
pub struct Journal {
    changes: HashMap<i64, Change>,
    rolled_back: HashSet<i64>,
    statements: u32,
    /// Committed, and not yet in the log.
    missing: HashSet<i64>,
    missing_deletes: HashSet<i64>,
    /// The last statement that each table's partition showed for the first time.
    last: HashMap<(usize, i32), (u32, i64)>,
    /// How many records with a row the log has, and the sums of their numbers: what a sink that adds rows has.
    pub rows: Sums,
    /// Of each row's number once.
    pub distinct: u64,
    pub duplicates: u64,
    pub committed: u64,
}

/// A multiset of numbers, by what a database can tell of one quickly.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub count: i64,
    pub sum: i64,
    pub squares: i64,
}

impl Sums {
    /// In SQL, of a column `seq`; the same as [`Sums::add`] makes.
    pub const SQL: &str = "count(*), coalesce(sum(seq), 0), coalesce(sum((seq % 1000003) * (seq % 1000003)), 0)";

    pub fn add(&mut self, seq: i64) {
        self.count += 1;
        self.sum += seq;
        self.squares += (seq % 1_000_003) * (seq % 1_000_003);
    }
}

impl Journal {
    /// Rows that were there before the connector.
    pub fn found(&mut self, table: usize, rows: impl IntoIterator<Item = i64>) {
        let change = |seq| (seq, Change { table, statement: 0, seen: 0, read: 0, deleted: 0 });
        self.changes.extend(rows.into_iter().map(change));
    }

    /// A transaction has committed. `identified`: whether the log names the row that a delete of a table deleted.
    pub fn commit(&mut self, statements: Vec<Statement>, identified: impl Fn(usize) -> bool) {
        for s in statements {
            self.statements += 1;
            self.committed += (s.written.len() + s.deleted.len()) as u64;
            self.missing.extend(&s.written);
            if identified(s.table) {
                self.missing_deletes.extend(&s.deleted);
            }
            let statement = self.statements;
            let change = |seq| (seq, Change { table: s.table, statement, seen: 0, read: 0, deleted: 0 });
            self.changes.extend(s.written.iter().copied().map(change));
        }
    }

    /// A transaction has not.
    pub fn roll_back(&mut self, statements: Vec<Statement>) {
        self.rolled_back.extend(statements.into_iter().flat_map(|s| s.written));
    }

    /// A record of the log, in the order of its partition. `once`: each change may be there once. What a snapshot reads is
    /// excepted, as one that was interrupted reads from its beginning.
    pub fn show(&mut self, table: usize, record: &OwnedMessage, once: bool) -> anyhow::Result<()> {
        let Some(value) = record.payload() else { return Ok(()) };
        let value: Value = serde_json::from_slice(value)?;
        let event = if value["payload"].is_object() { &value["payload"] } else { &value };
        let at = format!("{}-{}@{}", record.topic(), record.partition(), record.offset());
        let (before, after) = (event["before"]["seq"].as_i64(), event["after"]["seq"].as_i64());
        if event["op"] == "d" {
            return match before {
                // A number that the key's identity leaves out is none.
                Some(seq) if seq != 0 => self.show_delete(seq, &at, once),
                _ => Ok(()),
            };
        }
        let seq = after.ok_or_else(|| anyhow::anyhow!("{at} has neither a row nor a delete: {event}"))?;
        ensure!(!self.rolled_back.contains(&seq), "{at} is change {seq}, which was rolled back");
        let Some(change) = self.changes.get_mut(&seq) else { anyhow::bail!("{at} is change {seq}, which was never made") };
        ensure!(change.table == table, "{at} is change {seq}, which is of table {}", change.table);
        self.rows.add(seq);
        let again = change.seen + change.read > 0;
        if event["op"] == "r" {
            change.read += 1
        } else {
            change.seen += 1
        }
        ensure!(!once || change.seen <= 1, "{at} is change {seq} for the {}. time, where each is promised once", change.seen);
        if again {
            self.duplicates += 1;
            return Ok(());
        }
        self.distinct += 1;
        self.missing.remove(&seq);
        if change.statement > 0 {
            let last = self.last.entry((table, record.partition())).or_default();
            ensure!(
                last.0 <= change.statement,
                "{at} is change {seq} of statement {}, behind change {} of statement {}: out of commit order",
                change.statement,
                last.1,
                last.0
            );
            *last = (change.statement, seq);
        }
        Ok(())
    }

    fn show_delete(&mut self, seq: i64, at: &str, once: bool) -> anyhow::Result<()> {
        ensure!(!self.rolled_back.contains(&seq), "{at} deletes the row of change {seq}, which was rolled back");
        let Some(change) = self.changes.get_mut(&seq) else {
            anyhow::bail!("{at} deletes the row of change {seq}, which was never made")
        };
        change.deleted += 1;
        self.missing_deletes.remove(&seq);
        if change.deleted > 1 {
            self.duplicates += 1;
            ensure!(!once, "{at} deletes the row of change {seq} for the {}. time, where each is promised once", change.deleted);
        }
        Ok(())
    }

    /// Whether the log has all that committed.
    pub fn complete(&self) -> anyhow::Result<()> {
        let examples = |of: &HashSet<i64>| {
            let mut all: Vec<_> = of.iter().copied().collect();
            all.sort_unstable();
            all.truncate(EXAMPLES);
            all
        };
        let (changes, deletes) = (&self.missing, &self.missing_deletes);
        ensure!(changes.is_empty(), "the log has a gap: {} changes are missing, such as {:?}", changes.len(), examples(changes));
        ensure!(
            deletes.is_empty(),
            "the log has a gap: {} deletes are missing, such as of {:?}",
            deletes.len(),
            examples(deletes)
        );
        Ok(())
    }
}
