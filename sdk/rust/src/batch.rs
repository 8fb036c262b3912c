//! A batch lent for a call.

use std::cell::OnceCell;

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::records::Batch as Handle;
pub use crate::bindings::host::millrace::plugin::records::{Column, ColumnData, ColumnStyle, Packed};

/// Records of a call. Nothing of them crosses into the plugin until a view is asked for.
pub struct Batch<'a> {
    #[cfg(target_arch = "wasm32")]
    handle: &'a Handle,
    #[cfg(not(target_arch = "wasm32"))]
    handle: std::marker::PhantomData<&'a ()>,
    rows: OnceCell<Vec<u8>>,
}

impl<'a> Batch<'a> {
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn new(handle: &'a Handle) -> Self {
        Batch { handle, rows: OnceCell::new() }
    }

    /// For tests: a batch over the buffer that a [`crate::BatchWriter`] made.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_rows(bytes: Vec<u8>) -> Batch<'static> {
        Batch { handle: std::marker::PhantomData, rows: OnceCell::from(bytes) }
    }

    /// All records, in the row format: one copy, made at the first call.
    pub fn rows(&self) -> Result<millrace_row::Batch<'_>, Error> {
        #[cfg(target_arch = "wasm32")]
        let bytes = self.rows.get_or_init(|| self.handle.rows());
        #[cfg(not(target_arch = "wasm32"))]
        let bytes = self.rows.get_or_init(Vec::new);
        // The host has checked what it hands over; under test the buffer may come from anywhere.
        #[cfg(target_arch = "wasm32")]
        let batch = millrace_row::Batch::reopen(bytes);
        #[cfg(not(target_arch = "wasm32"))]
        let batch = millrace_row::Batch::parse(bytes);
        batch.map_err(|e| Error::fatal("records.malformed", e.to_string()))
    }

    /// How many records.
    pub fn len(&self) -> usize {
        #[cfg(target_arch = "wasm32")]
        return self.handle.len() as usize;
        #[cfg(not(target_arch = "wasm32"))]
        return self.rows().map_or(0, |r| r.len());
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One field of all records and nothing else: `value.after.email`, `key.id`, `topic`, `header.trace-id`.
    #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
    pub fn column(&self, path: &str, style: ColumnStyle) -> Result<Column, Error> {
        #[cfg(target_arch = "wasm32")]
        return self.handle.column(path, style);
        #[cfg(not(target_arch = "wasm32"))]
        Err(Error::fatal("records.native", "columns are made by the host; a native test reads rows"))
    }

    /// The `key` or the `value` of every record as schemaless JSON; null is `None`. The slowest view.
    #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
    pub fn documents(&self, part: &str) -> Result<Vec<Option<String>>, Error> {
        #[cfg(target_arch = "wasm32")]
        return self.handle.documents(part);
        #[cfg(not(target_arch = "wasm32"))]
        Err(Error::fatal("records.native", "documents are made by the host; a native test reads rows"))
    }
}
