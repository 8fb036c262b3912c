//! Taking batches apart and putting them together: what a chain of transforms with predicates needs.

use millrace_row::BatchWriter;

use crate::Batch;

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

    /// All records of several batches, one batch behind the other.
    pub fn concat<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Batch {
        let batches: Vec<&Batch> = batches.into_iter().filter(|b| !b.is_empty()).collect();
        if let [one] = batches[..] {
            return one.clone();
        }
        let mut out = BatchWriter::with_capacity(batches.iter().map(|b| b.bytes().len()).sum());
        for batch in batches {
            let view = batch.view();
            let topics: Vec<u32> = view.topics().iter().map(|t| out.topic(t)).collect();
            for record in view.iter() {
                out.copy(&record, topics[record.topic() as usize]);
            }
        }
        Batch::trusted(out)
    }

    /// How many records these batches hold.
    pub fn record_count<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> usize {
        batches.into_iter().map(Batch::len).sum()
    }

    /// Two batches made from one input, each with the input rows its records descend from in rising order, as one batch in
    /// the input's order, with the origins. Where both descend from one row, those of `a` come first.
    ///
    /// Panics when a batch has not as many origins as records.
    pub fn merge(a: (&Batch, &[u32]), b: (&Batch, &[u32])) -> (Batch, Vec<u32>) {
        assert_eq!((a.0.len(), b.0.len()), (a.1.len(), b.1.len()), "one origin a record");
        let views = [a.0.view(), b.0.view()];
        let mut out = BatchWriter::with_capacity(a.0.bytes().len() + b.0.bytes().len());
        let topics: Vec<Vec<u32>> = views.iter().map(|v| v.topics().iter().map(|t| out.topic(t)).collect()).collect();
        let (mut i, mut j) = (0, 0);
        let mut origin = Vec::with_capacity(a.1.len() + b.1.len());
        while i < a.1.len() || j < b.1.len() {
            let from_a = j == b.1.len() || (i < a.1.len() && a.1[i] <= b.1[j]);
            let (part, at) = if from_a { (0, &mut i) } else { (1, &mut j) };
            let record = views[part].record(*at);
            out.copy(&record, topics[part][record.topic() as usize]);
            origin.push(if from_a { a.1[*at] } else { b.1[*at] });
            *at += 1;
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
        let (a, b) = (all.select(&[1, 3]), all.select(&[0, 2, 4]));
        assert_eq!((offsets(&a), offsets(&b)), (vec![1, 3], vec![0, 2, 4]));
        let (merged, origin) = Batch::merge((&a, &[1, 3]), (&b, &[0, 2, 4]));
        assert_eq!((offsets(&merged), origin), (vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4]));
        let joined = Batch::concat([&a, &Batch::empty(), &b]);
        assert_eq!(offsets(&joined), [1, 3, 0, 2, 4]);
        assert_eq!(Batch::record_count([&a, &b]), 5);
        assert!(Batch::concat([]).is_empty());
        assert!(all.select(&[]).is_empty() && Batch::empty().select(&[]).is_empty());
    }
}
