//! What is written: letters with how far they go, truncations, outcomes.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{HOUR_MS, Index, IndexError, OUTCOME_BITS, Outcome, OutcomeState, Position, SPAN_BITS, first_id, id};
use crate::dlq::cause::{self, Grain};
use crate::dlq::letter::Letter;

/// Causes of a queue from which on messages are told apart less.
const CAUSES_COARSE: usize = 1_000;
const CAUSES_MAX: usize = 2_000;
/// Kinds of a queue from which on source topics and partitions are not told apart: only headers that nobody should
/// write lead so far.
const KINDS_MAX: usize = 100_000;
/// Rows that one transaction deletes.
const DELETE_AT_ONCE: i64 = 50_000;

/// How far a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub partition: i32,
    /// The first offset that the index has, or would have.
    pub start: i64,
    /// The first one that it has not.
    pub next: i64,
    pub seen: Option<Seen>,
}

/// A record by which a topic is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub offset: i64,
    pub hash: i64,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Kind {
    cause: i64,
    stage: Option<String>,
    connector: Option<String>,
    version: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
}

/// The one connection that writes, and what it knows by heart.
pub struct Writer {
    connection: Connection,
    /// By error and template: the id.
    causes: HashMap<(Option<String>, String), i64>,
    kinds: HashMap<Kind, i64>,
}

impl Writer {
    pub fn new(connection: Connection) -> rusqlite::Result<Writer> {
        let mut writer = Writer { connection, causes: HashMap::new(), kinds: HashMap::new() };
        writer.recall()?;
        Ok(writer)
    }

    /// Learns what is in the tables: also after a transaction that failed.
    fn recall(&mut self) -> rusqlite::Result<()> {
        let mut causes = self.connection.prepare("SELECT id, error, template FROM causes")?;
        let causes = causes.query_map([], |r| Ok(((r.get(1)?, r.get(2)?), r.get(0)?)))?;
        self.causes = causes.collect::<Result<_, _>>()?;
        let mut kinds = self.connection.prepare("SELECT id, cause, stage, connector, version, topic, partition FROM kinds")?;
        let kinds = kinds.query_map([], |r| {
            let (cause, stage, connector, version, topic, partition) =
                (r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?);
            Ok((Kind { cause, stage, connector, version, topic, partition }, r.get(0)?))
        })?;
        self.kinds = kinds.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn apply(&mut self, letters: Vec<Letter>, marks: &[Mark]) -> rusqlite::Result<()> {
        let Writer { connection, causes, kinds } = self;
        let transaction = connection.transaction()?;
        let mut changes = Changes::default();
        {
            let known = known_outcomes(&transaction, &letters)?;
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO records (id, grp, at, source, varying) VALUES (?, ?, ?, ?, ?)")?;
            for letter in letters {
                let Some(id) = id(letter.position) else { continue };
                let (cause, varying) = cause_of(&transaction, causes, &letter)?;
                let (at, source) = (letter.at, letter.failure.source_offset);
                let kind = kind_of(&transaction, kinds, cause, letter)?;
                let outcome = known.get(&id).copied().unwrap_or_default();
                let group = (kind << OUTCOME_BITS) | outcome as i64;
                if insert.execute(params![id, group, at, source, varying])? == 1 {
                    changes.counted(group, at, 1);
                    changes.span(id, at);
                }
            }
        }
        changes.write(&transaction)?;
        write_marks(&transaction, marks)?;
        transaction.commit()
    }

    /// Deletes up to so many of a partition's rows below an offset; true: there are no more.
    fn delete_below(&mut self, partition: i32, offset: i64) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let (low, high) = (first_id(partition, 0), first_id(partition, offset));
        let until: Option<i64> = transaction
            .prepare_cached("SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?")?
            .query_row([low, high, DELETE_AT_ONCE], |r| r.get(0))
            .optional()?;
        let (done, high) = (until.is_none(), until.unwrap_or(high));
        let mut changes = Changes::default();
        {
            let mut gone = transaction.prepare_cached("SELECT grp, at FROM records WHERE id >= ? AND id < ?")?;
            let mut rows = gone.query([low, high])?;
            while let Some(row) = rows.next()? {
                changes.counted(row.get(0)?, row.get(1)?, -1);
            }
        }
        changes.write(&transaction)?;
        transaction.execute("DELETE FROM records WHERE id >= ? AND id < ?", [low, high])?;
        transaction.execute("DELETE FROM outcomes WHERE id >= ? AND id < ?", [low, high])?;
        transaction.execute("DELETE FROM spans WHERE span >= ? AND span < ?", [low >> SPAN_BITS, high >> SPAN_BITS])?;
        transaction.commit()?;
        Ok(done)
    }

    fn set_outcomes(&mut self, outcomes: &[(Position, Outcome)]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut changes = Changes::default();
        {
            let mut keep = transaction
                .prepare_cached("INSERT OR REPLACE INTO outcomes (id, state, at, by_whom, reason) VALUES (?, ?, ?, ?, ?)")?;
            let mut forget = transaction.prepare_cached("DELETE FROM outcomes WHERE id = ?")?;
            let mut find = transaction.prepare_cached("SELECT grp, at FROM records WHERE id = ?")?;
            let mut set = transaction.prepare_cached("UPDATE records SET grp = ? WHERE id = ?")?;
            for (position, outcome) in outcomes {
                let Some(id) = id(*position) else { continue };
                match outcome.state {
                    OutcomeState::Waiting => forget.execute([id])?,
                    state => keep.execute(params![id, state as i64, outcome.at, outcome.by, outcome.reason])?,
                };
                // One that is yet to be read again takes it from the table.
                let found: Option<(i64, i64)> = find.query_row([id], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
                let Some((before, at)) = found else { continue };
                let after = (before >> OUTCOME_BITS << OUTCOME_BITS) | outcome.state as i64;
                if after != before {
                    set.execute([after, id])?;
                    changes.counted(before, at, -1);
                    changes.counted(after, at, 1);
                }
            }
        }
        changes.write(&transaction)?;
        transaction.commit()
    }
}

impl Index {
    /// How far the index is, by partition.
    pub fn marks(&self) -> Result<Vec<Mark>, IndexError> {
        self.read(|c| {
            let mut all = c.prepare_cached("SELECT partition, start, next, seen_offset, seen_hash FROM partitions")?;
            let marks = all.query_map([], |r| {
                let seen = match (r.get(3)?, r.get(4)?) {
                    (Some(offset), Some(hash)) => Some(Seen { offset, hash }),
                    _ => None,
                };
                Ok(Mark { partition: r.get(0)?, start: r.get(1)?, next: r.get(2)?, seen })
            })?;
            marks.collect()
        })
    }

    /// Takes letters, and how far their partitions are with them.
    pub fn apply(&self, letters: Vec<Letter>, marks: &[Mark]) -> Result<(), IndexError> {
        self.write(|w| {
            let applied = w.apply(letters, marks);
            if applied.is_err() {
                w.recall()?;
            }
            applied
        })
    }

    /// Forgets what the log does not have any more: a partition's records below an offset.
    pub fn delete_below(&self, partition: i32, offset: i64) -> Result<(), IndexError> {
        // In between others may write.
        while !self.write(|w| w.delete_below(partition, offset))? {}
        Ok(())
    }

    /// Says what became of records. The last word on a record counts; records that are not in the index have it when they come.
    pub fn set_outcomes(&self, outcomes: &[(Position, Outcome)]) -> Result<(), IndexError> {
        self.write(|w| w.set_outcomes(outcomes))
    }
}

/// What a transaction adds to the totals and spans.
#[derive(Default)]
struct Changes {
    totals: HashMap<(i64, i64), i64>,
    spans: HashMap<i64, (i64, i64)>,
}

impl Changes {
    fn counted(&mut self, group: i64, at: i64, records: i64) {
        *self.totals.entry((group, at.div_euclid(HOUR_MS))).or_default() += records;
    }

    fn span(&mut self, id: i64, at: i64) {
        let span = self.spans.entry(id >> SPAN_BITS).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }

    fn write(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO totals (grp, hour, records) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET records = records + ?3",
        )?;
        let mut tidy = transaction.prepare_cached("DELETE FROM totals WHERE grp = ? AND hour = ? AND records = 0")?;
        for ((group, hour), records) in self.totals {
            add.execute([group, hour, records])?;
            if records <= 0 {
                tidy.execute([group, hour])?;
            }
        }
        let mut widen = transaction.prepare_cached(
            "INSERT INTO spans (span, earliest, latest) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET
             earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)",
        )?;
        for (span, (earliest, latest)) in self.spans {
            widen.execute([span, earliest, latest])?;
        }
        Ok(())
    }
}

fn write_marks(transaction: &Transaction<'_>, marks: &[Mark]) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached(
        "INSERT OR REPLACE INTO partitions (partition, start, next, seen_offset, seen_hash) VALUES (?, ?, ?, ?, ?)",
    )?;
    for mark in marks {
        let (offset, hash) = (mark.seen.map(|s| s.offset), mark.seen.map(|s| s.hash));
        put.execute(params![mark.partition, mark.start, mark.next, offset, hash])?;
    }
    Ok(())
}

/// What is known already of records that are read again.
fn known_outcomes(transaction: &Transaction<'_>, letters: &[Letter]) -> rusqlite::Result<HashMap<i64, OutcomeState>> {
    let ids = letters.iter().filter_map(|l| id(l.position));
    let (Some(low), Some(high)) = (ids.clone().min(), ids.max()) else { return Ok(HashMap::new()) };
    let mut known = transaction.prepare_cached("SELECT id, state FROM outcomes WHERE id BETWEEN ? AND ?")?;
    known.query_map([low, high], |r| Ok((r.get(0)?, OutcomeState::of(r.get(1)?))))?.collect()
}

/// The id of a letter's cause, and what varies of its message.
fn cause_of(
    transaction: &Transaction<'_>,
    causes: &mut HashMap<(Option<String>, String), i64>,
    letter: &Letter,
) -> rusqlite::Result<(i64, Option<String>)> {
    let message = letter.failure.message.as_deref().unwrap_or_default();
    let mut key = (letter.failure.error.clone(), String::new());
    for (grain, room) in [(Grain::Fine, CAUSES_COARSE), (Grain::Coarse, CAUSES_MAX), (Grain::None, usize::MAX)] {
        if grain == Grain::None && causes.len() > CAUSES_MAX * 2 {
            // Even the errors' names vary.
            key.0 = None;
        }
        let parts = cause::parts(message, grain);
        key.1 = parts.template;
        if let Some(id) = causes.get(&key) {
            return Ok((*id, parts.varying));
        }
        if causes.len() < room {
            let name = cause::id(key.0.as_deref(), &key.1);
            transaction
                .prepare_cached("INSERT INTO causes (name, error, template) VALUES (?, ?, ?)")?
                .execute(params![name, key.0, key.1])?;
            let id = transaction.last_insert_rowid();
            causes.insert(key, id);
            return Ok((id, parts.varying));
        }
    }
    unreachable!("there is always room for the last grain")
}

fn kind_of(transaction: &Transaction<'_>, kinds: &mut HashMap<Kind, i64>, cause: i64, letter: Letter) -> rusqlite::Result<i64> {
    let f = letter.failure;
    let mut kind = Kind {
        cause,
        stage: f.stage,
        connector: f.connector,
        version: f.plugin_version,
        topic: f.source_topic,
        partition: f.source_partition,
    };
    if let Some(id) = kinds.get(&kind) {
        return Ok(*id);
    }
    if kinds.len() >= KINDS_MAX {
        kind = Kind { cause, stage: None, connector: None, version: None, topic: None, partition: None };
        if let Some(id) = kinds.get(&kind) {
            return Ok(*id);
        }
    }
    transaction
        .prepare_cached("INSERT INTO kinds (cause, stage, connector, version, topic, partition) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![cause, kind.stage, kind.connector, kind.version, kind.topic, kind.partition])?;
    let id = transaction.last_insert_rowid();
    kinds.insert(kind, id);
    Ok(id)
}
