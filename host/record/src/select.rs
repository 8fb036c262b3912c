//! Taking batches apart and putting them together: what a chain of transforms with predicates needs.

use millrace_row::BatchWriter;

use crate::{Batch, Outcome};

impl Batch {
    /// The records at these rows, in this order; a row may be named more than once.
    ///
    /// Panics when a row is not below [`Batch::len`].
    pub fn select(&self, rows: &[u32]) -> Batch {
        let view = self.view();
        let room = if rows.len() < self.len() { self.bytes().len() / self.len() * rows.len() } else { self.bytes().len() };
        let mut out = BatchWriter::with_capacity(room);
        let topics: Vec<u32> = view.topics().iter().map(|t| out.topic(t)).collect();
        for row in rows {
            let record = view.record(*row as usize);
            out.copy(&record, topics[record.topic() as usize]);
        }
        Batch::trusted(out)
    }

    /// This batch, where its rows `chosen` (ascending) went through a transform and came back as `made`: what came of a row
    /// takes its place. Answers each record's row in this batch too.
    ///
    /// Panics when an origin is not below the length of `chosen`.
    pub fn merge(&self, chosen: &[u32], made: &Outcome) -> (Batch, Vec<u32>) {
        let views = [self.view(), made.records.view()];
        let mut out = BatchWriter::with_capacity(self.bytes().len());
        let topics = views.each_ref().map(|v| v.topics().iter().map(|t| out.topic(t)).collect::<Vec<_>>());
        let mut origin = Vec::with_capacity(self.len());
        let mut copy = |of: usize, at: usize, row: u32| {
            let record = views[of].record(at);
            out.copy(&record, topics[of][record.topic() as usize]);
            origin.push(row);
        };
        // What was made, by the row it came from; several records of one row stay in their order.
        let from = |i: usize| chosen[made.origin.as_ref().map_or(i, |o| o[i] as usize)];
        let mut by_row: Vec<(u32, usize)> = (0..made.records.len()).map(|i| (from(i), i)).collect();
        by_row.sort_by_key(|(row, _)| *row);
        let (mut made_next, mut chosen_next) = (by_row.into_iter().peekable(), chosen.iter().peekable());
        for row in 0..self.len() as u32 {
            if chosen_next.next_if_eq(&&row).is_none() {
                copy(0, row as usize, row);
                continue;
            }
            while let Some((_, i)) = made_next.next_if(|(r, _)| *r == row) {
                copy(1, i, row);
            }
        }
        (Batch::trusted(out), origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RecordMeta;

    fn batch(offsets: &[i64]) -> Batch {
        let mut w = BatchWriter::new();
        for o in offsets {
            let topic = w.topic(if o % 2 == 0 { "even" } else { "odd" });
            w.begin(RecordMeta {
                topic,
                partition: None,
                offset: Some(*o),
                timestamp: None,
                key_schema: None,
                value_schema: None,
            });
            w.end();
        }
        Batch::trusted(w)
    }

    fn offsets(batch: &Batch) -> Vec<i64> {
        let view = batch.view();
        let of = |r: millrace_row::Record<'_>| {
            let offset = r.offset().unwrap();
            assert_eq!(view.topic_of(&r), if offset % 2 == 0 { "even" } else { "odd" });
            offset
        };
        view.iter().map(of).collect()
    }

    #[test]
    fn splits_and_merges() {
        let all = batch(&[0, 1, 2, 3, 4]);
        let (odd, even) = (all.select(&[1, 3]), all.select(&[0, 2, 4]));
        assert_eq!((offsets(&odd), offsets(&even)), (vec![1, 3], vec![0, 2, 4]));
        assert!(all.select(&[]).is_empty() && Batch::empty().select(&[]).is_empty());
        let made = |offsets: &[i64], origin| Outcome { records: batch(offsets), origin, failures: Vec::new() };
        let (same, origin) = all.merge(&[1, 3], &made(&[11, 13], None));
        assert_eq!((offsets(&same), origin), (vec![0, 11, 2, 13, 4], vec![0, 1, 2, 3, 4]));
        // Row 1 is dropped; row 3 gives two records, row 4 one, in an order of their own.
        let (other, origin) = all.merge(&[1, 3, 4], &made(&[13, 14, 15], Some(vec![1, 2, 1])));
        assert_eq!((offsets(&other), origin), (vec![0, 2, 13, 15, 14], vec![0, 2, 3, 3, 4]));
    }
}
