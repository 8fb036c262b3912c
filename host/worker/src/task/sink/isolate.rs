//! A put that failed as a whole is taken apart, until the records at fault stand alone.
//!
//! The batch is halved in its order. Of two halves the second is known to hold the record at fault where the first one
//! passes, and is halved at once; once the record is found, all that is behind it is put together again. So one bad record
//! costs itself, and about log2 of the batch further calls.
//!
//! A sink may refuse everything for a reason of its own, and then no record is to blame: one is blamed only where the sink
//! takes others, and only so many in a row. Nor is any for a failure that may pass, for one of the configuration, or where
//! the plugin broke; nor for a sink that says by [`NAMES_FAILURES`] that it names the records at fault by itself, nor for one that
//! keeps its offsets: a put of what is behind the record at fault would move them past it before it is a dead letter.

use std::ops::Range;
use std::time::Instant;

use millrace_record::{Batch, ErrorKind, RecordFailure, TaskError};

use super::{Outlet, keeps_offsets};
use crate::errors::tolerance::Tolerance;
use crate::task::supervise::{Failure, Task};

/// The capability of a sink whose put fails as a whole only for reasons that are no record's.
const NAMES_FAILURES: &str = "names-failures";

/// So many records in a row are blamed of a sink that has taken others before.
const BLAMED_MAX: usize = 1_000;
/// And of one that has taken none yet in this session.
const BLAMED_UNPROVEN_MAX: usize = 100;

/// What is known of the sink where its puts fail.
pub(super) struct Blame {
    /// Failed puts may be laid to records.
    allowed: bool,
    /// The sink has taken a record in this session.
    proven: bool,
    /// Records that were blamed since it took the last one.
    in_a_row: usize,
}

impl Blame {
    pub fn new(task: &Task) -> Self {
        let names = task.spec.plugin.info().capabilities.iter().any(|c| c == NAMES_FAILURES);
        let allowed = !names && !keeps_offsets(&task.spec) && task.settings.errors.tolerance == Tolerance::All;
        Blame { allowed, proven: false, in_a_row: 0 }
    }

    fn taken(&mut self) {
        self.proven = true;
        self.in_a_row = 0;
    }

    /// Another record is blamed. False: it is more likely the sink's own fault.
    fn another(&mut self) -> bool {
        self.in_a_row += 1;
        self.in_a_row <= if self.proven { BLAMED_MAX } else { BLAMED_UNPROVEN_MAX }
    }
}

/// Rows of the batch that are still to be put.
struct Part {
    rows: Range<u32>,
    /// The part before it is the other half of one that failed: should that pass, the fault is in this one.
    other_half: bool,
    /// It has failed, or must fail.
    poisoned: bool,
}

impl Outlet {
    /// Puts records, and again for as long as that may help. The inner error is one that may be laid to records. None: as
    /// for [`Outlet::wait`].
    pub(super) async fn put_part(&mut self, records: &Batch) -> Result<Option<Result<Vec<RecordFailure>, TaskError>>, Failure> {
        loop {
            let started = Instant::now();
            match self.task.counters.pulse.during("put", self.plugin.put(records)).await {
                Ok(failures) => {
                    self.keeper.keep();
                    self.task.counters.sent_batch(records.len() as u64, started.elapsed());
                    self.task.healthy();
                    if failures.len() < records.len() {
                        self.blame.taken();
                    }
                    return Ok(Some(Ok(failures)));
                }
                Err(error) => {
                    self.keeper.undo();
                    self.task.counters.failures.add(1);
                    if error.kind == ErrorKind::Fatal && self.blame.allowed {
                        return Ok(Some(Err(error)));
                    }
                    if !self.back_off(self.put_failed(records, error)).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Finds the records for which a put failed as a whole, and puts the others, in their order. What it answers has failed,
    /// by its row. None: as for [`Outlet::wait`].
    pub(super) async fn isolate(&mut self, records: &Batch, whole: TaskError) -> Result<Option<Vec<RecordFailure>>, Failure> {
        let all = records.len() as u32;
        let (mut failures, mut blamed, mut calls, mut together) = (Vec::new(), 0, 0, true);
        // The first one lies on top. One record alone has failed for itself already.
        let mut parts = vec![Part { rows: 0..all, other_half: false, poisoned: true }];
        let mut known = (all == 1).then_some(whole);
        let mut last = None;
        while let Some(part) = parts.pop() {
            let Range { start, end } = part.rows;
            if part.poisoned && end - start > 1 {
                let middle = start + (end - start) / 2;
                parts.push(Part { rows: middle..end, other_half: true, poisoned: false });
                parts.push(Part { rows: start..middle, other_half: false, poisoned: false });
                continue;
            }
            let rows: Vec<u32> = (start..end).collect();
            let outcome = match known.take() {
                Some(error) => Err(error),
                None => {
                    calls += 1;
                    match self.put_part(&records.select(&rows)).await? {
                        None => return Ok(None),
                        Some(outcome) => outcome,
                    }
                }
            };
            match outcome {
                Ok(of_part) => {
                    failures.extend(of_part.into_iter().map(|f| RecordFailure { row: start + f.row, ..f }));
                    if let Some(next) = parts.last_mut() {
                        next.poisoned |= std::mem::take(&mut next.other_half);
                    }
                }
                Err(error) if end - start > 1 => {
                    if let Some(next) = parts.last_mut() {
                        next.other_half = false;
                    }
                    parts.push(Part { rows: start..end, other_half: false, poisoned: true });
                    last = Some(error);
                }
                Err(error) => {
                    if !self.blame.another() {
                        return Err(self.at_fault(records, error));
                    }
                    if let Some(next) = parts.last_mut() {
                        next.other_half = false;
                    }
                    // One bad record is what is likeliest; where there are more, halves find them all in fewest calls.
                    if std::mem::take(&mut together) && end < all {
                        parts = vec![Part { rows: end..all, other_half: false, poisoned: false }];
                    }
                    blamed += 1;
                    let TaskError { code, message, .. } = &error;
                    failures.push(RecordFailure { row: start, retriable: false, code: code.clone(), message: message.clone() });
                    last = Some(error);
                }
            }
        }
        if !self.blame.proven
            && let Some(error) = last
        {
            return Err(self.at_fault(records, error));
        }
        tracing::warn!(records = all, blamed, calls, "a put failed and was taken apart: the other records are put");
        Ok(Some(failures))
    }

    /// The sink refuses whatever it is given.
    fn at_fault(&self, records: &Batch, mut error: TaskError) -> Failure {
        let why = match self.blame.proven {
            false => "the sink has taken none yet".to_owned(),
            true => format!("it refused the last {} one by one, and took none between them", self.blame.in_a_row),
        };
        error.message = format!("{}; no record is blamed for it: {why}", error.message);
        self.put_failed(records, error)
    }

    /// With what was put, for the person who is to find the record at fault.
    fn put_failed(&self, records: &Batch, mut error: TaskError) -> Failure {
        let view = records.view();
        let name = |row: usize| {
            let r = view.record(row);
            format!("{}-{}@{}", view.topic_of(&r), r.partition().unwrap_or(-1), r.offset().unwrap_or(-1))
        };
        let named = match records.len() {
            1 => name(0),
            n => format!("{} to {}, {n} in all", name(0), name(n - 1)),
        };
        error.attributes.push(("records".into(), named));
        Failure::new(&self.subject, "put", error)
    }
}
