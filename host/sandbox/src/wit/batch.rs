//! Views of batches for guests, and batches that guests make other than as rows.

use std::sync::Arc;

use millrace_record::view::{self, ColumnData as Data};
use millrace_record::{Batch, Schemas, patch, row};

use crate::bindings::records::{Column, ColumnData, ColumnStyle, Document, Packed, Patch};
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

pub(crate) fn column(batch: &Batch, path: String, style: ColumnStyle, schemas: &Arc<Schemas>) -> Result<Column, Error> {
    match view::column(batch, schemas, &path, matches!(style, ColumnStyle::Packed)) {
        Ok(column) => Ok(Column {
            path,
            nulls: column.nulls,
            data: match column.data {
                Data::Booleans(v) => ColumnData::Booleans(v),
                Data::Int64s(v) => ColumnData::Int64s(v),
                Data::Float64s(v) => ColumnData::Float64s(v),
                Data::Texts(v) => ColumnData::Texts(v),
                Data::Packed { offsets, data } => ColumnData::Packed(Packed { offsets, data }),
            },
        }),
        Err(what) => Err(error::new(ErrorKind::Fatal, "records.no-such-column", what)),
    }
}

pub(crate) fn documents(batch: &Batch, part: &str, schemas: &Arc<Schemas>) -> Result<Vec<Option<String>>, Error> {
    view::documents(batch, schemas, part).map_err(|what| error::new(ErrorKind::Fatal, "records.no-documents", what))
}

/// The batch as a patch leaves it, with the input row of each record where they are not one to one.
pub(crate) fn patched(input: &Batch, patch: Patch, schemas: &Schemas) -> Result<(Batch, Option<Vec<u32>>), String> {
    let set = patch.set.into_iter().map(|column| {
        let data = match column.data {
            ColumnData::Booleans(v) => Data::Booleans(v),
            ColumnData::Int64s(v) => Data::Int64s(v),
            ColumnData::Float64s(v) => Data::Float64s(v),
            ColumnData::Texts(v) => Data::Texts(v),
            ColumnData::Packed(Packed { offsets, data }) => Data::Packed { offsets, data },
        };
        (column.path, view::Column { nulls: column.nulls, data })
    });
    let patch = patch::Patch { drop_rows: patch.drop_rows, remove_fields: patch.remove_fields, set: set.collect() };
    patch::apply(input, schemas, &patch)
}

/// Records as JSON into a batch; `input` is what they descend from, with each one's row. What a document leaves out comes
/// from there; without an input it is null.
pub(crate) fn from_documents(
    documents: Vec<Document>,
    input: Option<(&Batch, &[u32])>,
    schemas: &Schemas,
) -> Result<Batch, String> {
    let view = input.map(|(batch, _)| batch.view());
    let mut out = row::BatchWriter::new();
    for (i, document) in documents.into_iter().enumerate() {
        let record = match (&view, input) {
            (Some(view), Some((_, origin))) => {
                let from = origin.get(i).map(|o| *o as usize).filter(|o| *o < view.len());
                Some((view, view.record(from.ok_or_else(|| format!("document {i} descends from no row"))?)))
            }
            _ => None,
        };
        let topic = match (&document.topic, &record) {
            (Some(topic), _) => out.topic(topic),
            (None, Some((view, record))) => out.topic(view.topic_of(record)),
            (None, None) => return Err(format!("document {i} has no topic")),
        };
        let record = record.map(|(_, r)| r);
        out.begin(row::RecordMeta {
            topic,
            partition: record.and_then(|r| r.partition()),
            offset: record.and_then(|r| r.offset()),
            timestamp: record.and_then(|r| r.timestamp()),
            key_schema: None,
            value_schema: None,
        });
        out.value_with(|rows| part(rows, document.value.as_deref(), record.map(|r| (r.value_schema(), r.value()))))?;
        out.key_with(|rows| part(rows, document.key.as_deref(), record.map(|r| (r.key_schema(), r.key()))))?;
        if let Some(record) = &record {
            out.headers_from(record);
        }
        out.end();
    }
    Batch::check(out.finish(), schemas).map_err(|e| e.to_string())
}

/// A key or value of a document, or that of the record it descends from.
fn part(
    rows: &mut row::RowBuf,
    json: Option<&str>,
    from: Option<(Option<u32>, Option<row::Row<'_>>)>,
) -> Result<Option<Option<u32>>, String> {
    match (json, from) {
        (Some(json), _) if json.trim() == "null" => Ok(None),
        (Some(json), _) => {
            let mark = rows.begin(1);
            rows.text(mark, 0, json);
            Ok(Some(None))
        }
        (None, Some((schema, Some(row)))) => {
            rows.append(row);
            Ok(Some(schema))
        }
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_fall_back_on_their_origin() {
        let schemas = Schemas::new();
        let document = |topic: Option<&str>, key: Option<&str>, value: Option<&str>| Document {
            topic: topic.map(str::to_owned),
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
        };
        let made = from_documents(vec![document(Some("t"), Some("\"k\""), Some("{\"a\":1}"))], None, &schemas).unwrap();
        let derived = vec![document(None, None, Some("null")), document(Some("u"), Some("7"), None)];
        let derived = from_documents(derived, Some((&made, &[0, 0])), &schemas).unwrap();
        let view = derived.view();
        let text = |row: Option<row::Row<'_>>| row.map(|r| r.text(0).to_owned());
        let (a, b) = (view.record(0), view.record(1));
        assert_eq!((view.topic_of(&a), text(a.key()), text(a.value())), ("t", Some("\"k\"".into()), None));
        assert_eq!((view.topic_of(&b), text(b.key()), text(b.value())), ("u", Some("7".into()), Some("{\"a\":1}".into())));

        let check = |documents: Vec<Document>, input: Option<(&Batch, &[u32])>, words: &str| {
            let error = from_documents(documents, input, &schemas).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(vec![document(None, None, None)], None, "has no topic");
        check(vec![document(Some("t"), None, Some("{"))], None, "record 0: value");
        check(vec![document(None, None, None)], Some((&made, &[3])), "descends from no row");
    }
}
