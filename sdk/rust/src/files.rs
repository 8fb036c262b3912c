//! The capability `files`: files that the configuration names, opened by the name of a binding.
//!
//! Under `cargo test` the same calls reach real files: say with [`bind`] which path a binding stands for.

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::host::millrace::plugin::files::{Appender, Reader};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{Appender, Reader, bind};

/// The code of the error that [`Reader::open`] answers while there is no such file.
pub const NOT_FOUND: &str = "files.not-found";

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};

    use crate::Error;

    thread_local! {
        static BOUND: RefCell<HashMap<String, PathBuf>> = RefCell::default();
    }

    /// In this thread, the binding stands for this path.
    pub fn bind(binding: &str, path: impl AsRef<Path>) {
        BOUND.with_borrow_mut(|b| b.insert(binding.to_owned(), path.as_ref().to_owned()));
    }

    fn path(binding: &str) -> Result<PathBuf, Error> {
        BOUND
            .with_borrow(|b| b.get(binding).cloned())
            .ok_or_else(|| Error::fatal("files.unbound", format!("no path is bound to \"{binding}\"; call files::bind first")))
    }

    fn failed(what: &str, e: std::io::Error) -> Error {
        let code = if e.kind() == std::io::ErrorKind::NotFound { super::NOT_FOUND } else { "files.io" };
        Error::retriable(code, format!("{what}: {e}"))
    }

    #[derive(Debug)]
    pub struct Reader(File);

    #[allow(clippy::len_without_is_empty, reason = "as the capability has it")]
    impl Reader {
        pub fn open(binding: &str) -> Result<Self, Error> {
            File::open(path(binding)?).map(Reader).map_err(|e| failed("cannot open the file", e))
        }
        pub fn read(&self, position: u64, max: u32) -> Result<Vec<u8>, Error> {
            let mut data = vec![0; max as usize];
            let n = self.0.read_at(&mut data, position).map_err(|e| failed("cannot read the file", e))?;
            data.truncate(n);
            Ok(data)
        }
        pub fn len(&self) -> Result<u64, Error> {
            self.0.metadata().map(|m| m.len()).map_err(|e| failed("cannot read the file's length", e))
        }
    }

    #[derive(Debug)]
    pub struct Appender(File);

    impl Appender {
        pub fn open(binding: &str) -> Result<Self, Error> {
            let open = File::options().append(true).create(true).open(path(binding)?);
            open.map(Appender).map_err(|e| failed("cannot open the file for appending", e))
        }
        pub fn append(&self, data: &[u8]) -> Result<(), Error> {
            (&self.0).write_all(data).map_err(|e| failed("cannot append to the file", e))
        }
        pub fn sync(&self) -> Result<(), Error> {
            self.0.sync_data().map_err(|e| failed("cannot sync the file", e))
        }
    }
}
