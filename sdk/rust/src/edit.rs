//! Copying a record with a few of its values replaced: one copy of its bytes, nothing of it unpacked, no allocation for a
//! field. This is the fast way for a transform that changes values and keeps the schema.

use crate::{BatchWriter, Record, RecordMeta, RowBuf, RowMark};

/// New text or bytes for the field that the slots of `path` lead to, from the value's row downwards.
#[derive(Debug, Clone, Copy)]
pub struct Edit<'a> {
    pub path: &'a [usize],
    pub value: &'a [u8],
}

/// Appends `record` with its value edited; `topic` is the index of its topic in `writer`. An edit whose path ends at a
/// null, or leads through one, changes nothing.
pub fn copy_edited(writer: &mut BatchWriter, record: &Record<'_>, topic: u32, edits: &[Edit<'_>]) {
    writer.copy(record, topic);
    let Some(root) = writer.last_value() else { return };
    if edits.iter().all(|e| in_place(writer.rows(), root, e)) {
        return;
    }
    // Something grows: the value is written anew, with what grows behind it, then the key and the headers.
    writer.undo();
    let Some(value) = record.value() else { return };
    writer.begin(RecordMeta {
        topic,
        partition: record.partition(),
        offset: record.offset(),
        timestamp: record.timestamp(),
        key_schema: record.key_schema(),
        value_schema: record.value_schema(),
    });
    let rows = writer.rows();
    let root = rows.copy(value);
    for edit in edits {
        if !in_place(rows, root, edit) {
            append(rows, root, edit.path, edit.value);
        }
    }
    writer.end_value(root);
    if let Some(key) = record.key() {
        writer.key(key);
    }
    writer.headers_from(record);
    writer.end();
}

/// Whether the edit was made, or there is nothing to be edited.
#[inline]
fn in_place(rows: &mut RowBuf, root: RowMark, edit: &Edit<'_>) -> bool {
    let Some((&leaf, parents)) = edit.path.split_last() else { return true };
    let mut row = root;
    for &slot in parents {
        match rows.nested(row, slot) {
            Some(nested) => row = nested,
            None => return true,
        }
    }
    rows.is_null(row, leaf) || rows.overwrite(row, leaf, edit.value)
}

fn append(rows: &mut RowBuf, row: RowMark, path: &[usize], value: &[u8]) {
    match path {
        [leaf] => rows.bytes(row, *leaf, value),
        [slot, rest @ ..] => {
            if let Some(nested) = rows.lift(row, *slot) {
                append(rows, nested, rest, value);
                rows.end_nested(row, *slot, nested);
            }
        }
        [] => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_row::Batch;

    /// `{note, before: null, after: {email, name}}` with a key of one slot and a header.
    fn record() -> Vec<u8> {
        let mut w = BatchWriter::new();
        let topic = w.topic("t");
        let meta = RecordMeta {
            topic,
            partition: Some(2),
            offset: Some(9),
            timestamp: Some(5),
            key_schema: Some(1),
            value_schema: Some(3),
        };
        w.begin(meta);
        let root = w.rows().begin(3);
        w.rows().text(root, 0, "note");
        let after = w.rows().begin(2);
        w.rows().text(after, 0, "ada@example.com");
        w.rows().text(after, 1, "Ada");
        w.rows().end_nested(root, 2, after);
        w.end_value(root);
        let key = w.rows().begin(1);
        w.rows().i64(key, 0, 42);
        w.end_key(key);
        w.header(millrace_row::Header { name: "h", schema: None, value: None });
        w.end();
        w.finish()
    }

    fn edited(edits: &[Edit<'_>]) -> (String, Option<bool>, String, String) {
        let input = record();
        let batch = Batch::parse(&input).unwrap();
        let mut w = BatchWriter::new();
        let topic = w.topic("t");
        copy_edited(&mut w, &batch.record(0), topic, edits);
        let out = w.finish();
        let out = Batch::parse(&out).unwrap();
        let r = out.record(0);
        assert_eq!(
            (r.partition(), r.offset(), r.timestamp(), r.key_schema(), r.value_schema()),
            (Some(2), Some(9), Some(5), Some(1), Some(3))
        );
        assert_eq!(r.key().unwrap().i64(0), 42);
        assert_eq!(r.headers().count(), 1);
        let value = r.value().unwrap();
        let after = value.row(2).unwrap();
        (value.text(0).into(), value.row(1).map(|_| true), after.text(0).into(), after.text(1).into())
    }

    #[test]
    fn shorter_longer_and_missing_values() {
        let was = ("note".to_owned(), None, "ada@example.com".to_owned(), "Ada".to_owned());
        assert_eq!(edited(&[]), was);
        assert_eq!(edited(&[Edit { path: &[1, 0], value: b"through a null" }]), was);
        let short = edited(&[Edit { path: &[2, 0], value: b"***" }, Edit { path: &[0], value: b"" }]);
        assert_eq!(short, (String::new(), None, "***".into(), "Ada".into()));
        let long = edited(&[
            Edit { path: &[2, 1], value: b"Ada Lovelace, Countess" },
            Edit { path: &[2, 0], value: b"a much longer address@example.com" },
            Edit { path: &[0], value: b"a longer note" },
        ]);
        let expected = ("a longer note", None, "a much longer address@example.com", "Ada Lovelace, Countess");
        assert_eq!(long, (expected.0.into(), expected.1, expected.2.into(), expected.3.into()));
    }
}
