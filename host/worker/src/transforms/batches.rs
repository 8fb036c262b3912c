//! Taking batches apart and putting them together again; records are copied as bytes.

use millrace_record::row::{BatchWriter, Record};
use millrace_record::{Batch, Outcome};

/// The rows of a batch, in the order given.
pub(crate) fn select(batch: &Batch, rows: &[u32]) -> Batch {
    let view = batch.view();
    let mut writer = BatchWriter::with_capacity(batch.bytes().len() * rows.len() / view.len().max(1) + 64);
    for row in rows {
        copy(&mut writer, &view, &view.record(*row as usize));
    }
    Batch::trusted(writer)
}

/// A batch whose rows `chosen` (ascending) went through a transform and came back as `outcome`: what came of a row takes
/// its place. Answers each record's row in `batch` too.
pub(super) fn merge(batch: &Batch, chosen: &[u32], outcome: &Outcome) -> (Batch, Vec<u32>) {
    let (kept, made) = (batch.view(), outcome.records.view());
    // What the transform made, by the row it came from; several records of one row stay in their order.
    let mut from: Vec<(u32, usize)> =
        (0..made.len()).map(|i| (chosen[outcome.origin.as_ref().map_or(i, |o| o[i] as usize)], i)).collect();
    from.sort_by_key(|(row, _)| *row);
    let mut made_next = from.into_iter().peekable();
    let mut chosen_next = chosen.iter().peekable();
    let mut writer = BatchWriter::with_capacity(batch.bytes().len());
    let mut origin = Vec::with_capacity(kept.len());
    for row in 0..kept.len() as u32 {
        if chosen_next.next_if_eq(&&row).is_some() {
            while let Some((_, i)) = made_next.next_if(|(r, _)| *r == row) {
                copy(&mut writer, &made, &made.record(i));
                origin.push(row);
            }
        } else {
            copy(&mut writer, &kept, &kept.record(row as usize));
            origin.push(row);
        }
    }
    (Batch::trusted(writer), origin)
}

fn copy(writer: &mut BatchWriter, view: &millrace_record::row::Batch<'_>, record: &Record<'_>) {
    let topic = writer.topic(view.topic_of(record));
    writer.copy(record, topic);
}
