//! Views of batches for guests, and batches that guests make other than as rows.

use millrace_record::{Batch, Schemas};

use crate::bindings::records::{Column, ColumnStyle, Document, Patch};
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// Records as JSON into a batch; `input` is what they descend from, with each one's row.
pub(crate) fn from_documents(
    _documents: Vec<Document>,
    _input: Option<(&Batch, &[u32])>,
    _schemas: &Schemas,
) -> Result<(Batch,), String> {
    Err("records as documents, which this host does not take".into())
}

/// The batch as a patch leaves it, with the input row of each record.
pub(crate) fn patched(_input: &Batch, _patch: Patch, _schemas: &Schemas) -> Result<(Batch, Option<Vec<u32>>), String> {
    Err("a patch, which this host does not take".into())
}

pub(crate) fn column(_batch: &Batch, path: String, _style: ColumnStyle, _schemas: &Schemas) -> Result<Column, Error> {
    Err(error::new(ErrorKind::Fatal, "records.no-column", format!("no column {path}")))
}

pub(crate) fn documents(_batch: &Batch, part: &str, _schemas: &Schemas) -> Result<Vec<Option<String>>, Error> {
    Err(error::new(ErrorKind::Fatal, "records.no-part", format!("no part {part}")))
}
