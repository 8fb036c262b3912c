//! Views of batches for guests, and batches that guests make other than as rows.

use std::sync::Arc;

use millrace_record::view::{self, ColumnData as Data};
use millrace_record::{Batch, Fitter, Quota, Schemas, patch, row};

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
pub(crate) fn patched(
    input: &Batch,
    patch: Patch,
    schemas: &Schemas,
    quota: &Quota,
) -> Result<(Batch, Option<Vec<u32>>), String> {
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
    patch::apply(input, schemas, quota, &patch)
}

/// Why a record that a plugin made cannot be: it does not fit the schema it was put under.
#[derive(Debug)]
pub(crate) struct Failed(pub String);

/// A batch of documents, and of each document that became no record its number and why.
pub(crate) type Documented = (Batch, Vec<(usize, Failed)>);

/// What documents descend from.
pub(crate) struct Origins<'a> {
    pub input: &'a Batch,
    /// Of each document.
    pub rows: &'a [u32],
    pub fitter: &'a mut Fitter,
}

/// Records as JSON into a batch. What a document leaves out comes from the record that it descends from, as does the schema
/// that it is put under; without one it is null, and schemaless.
pub(crate) fn from_documents(
    documents: Vec<Document>,
    mut origins: Option<Origins<'_>>,
    schemas: &Schemas,
) -> Result<Documented, String> {
    let view = origins.as_ref().map(|o| o.input.view());
    let mut out = row::BatchWriter::new();
    let mut failed = Vec::new();
    for (i, document) in documents.into_iter().enumerate() {
        let record = match (&view, &origins) {
            (Some(view), Some(origins)) => {
                let from = origins.rows.get(i).map(|o| *o as usize).filter(|o| *o < view.len());
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
        let value = record.map(|r| (r.value_schema(), r.value()));
        let key = record.map(|r| (r.key_schema(), r.key()));
        let mut fitter = origins.as_mut().map(|o| &mut *o.fitter);
        let written = out
            .value_with(|rows| part(rows, document.value.as_deref(), value, fitter.as_deref_mut()))
            .and_then(|()| out.key_with(|rows| part(rows, document.key.as_deref(), key, fitter.as_deref_mut())));
        if let Err(what) = written {
            out.undo();
            failed.push((i, what));
            continue;
        }
        if let Some(record) = &record {
            out.headers_from(record);
        }
        out.end();
    }
    Ok((Batch::check(out.finish(), schemas).map_err(|e| e.to_string())?, failed))
}

/// A key or value of a document, under the schema of that of the record it descends from; none: that itself.
pub(super) fn part(
    rows: &mut row::RowBuf,
    json: Option<&str>,
    from: Option<(Option<u32>, Option<row::Row<'_>>)>,
    fitter: Option<&mut Fitter>,
) -> Result<Option<Option<u32>>, Failed> {
    let Some(json) = json else {
        let Some((schema, Some(row))) = from else { return Ok(None) };
        rows.append(row);
        return Ok(Some(schema));
    };
    if json.trim() == "null" {
        return Ok(None);
    }
    if let (Some((Some(schema), _)), Some(fitter)) = (from, fitter) {
        return fitter.fit(Some(schema), json, rows).map(|id| Some(Some(id))).map_err(Failed);
    }
    let mark = rows.begin(1);
    rows.text(mark, 0, json);
    Ok(Some(None))
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
        let made = vec![document(Some("t"), Some("\"k\""), Some("{\"a\":1}"))];
        let (made, _) = from_documents(made, None, &schemas).unwrap();
        let mut fitter = Fitter::new(&schemas);
        let derived = vec![document(None, None, Some("null")), document(Some("u"), Some("7"), None)];
        let (derived, _) =
            from_documents(derived, Some(Origins { input: &made, rows: &[0, 0], fitter: &mut fitter }), &schemas).unwrap();
        let view = derived.view();
        let text = |row: Option<row::Row<'_>>| row.map(|r| r.text(0).to_owned());
        let (a, b) = (view.record(0), view.record(1));
        assert_eq!((view.topic_of(&a), text(a.key()), text(a.value())), ("t", Some("\"k\"".into()), None));
        assert_eq!((view.topic_of(&b), text(b.key()), text(b.value())), ("u", Some("7".into()), Some("{\"a\":1}".into())));

        let check = |documents: Vec<Document>, origins: Option<Origins<'_>>, words: &str| {
            let error = from_documents(documents, origins, &schemas).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(vec![document(None, None, None)], None, "has no topic");
        check(vec![document(Some("t"), None, Some("{"))], None, "record 0: value");
        check(
            vec![document(None, None, None)],
            Some(Origins { input: &made, rows: &[3], fitter: &mut fitter }),
            "descends from no row",
        );
    }
}
