//! A value that cannot be converted: what is wrong with it, and at which path of fields.

/// Gathers the path on the way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    what: String,
    /// Innermost first.
    path: Vec<Box<str>>,
}

impl Misfit {
    #[cold]
    pub fn new(what: impl Into<String>) -> Self {
        Misfit { what: what.into(), path: Vec::new() }
    }
    /// A row that does not have its schema's shape: batches are checked when they enter, so this is our own mistake.
    #[cold]
    pub fn broken_row() -> Self {
        Misfit::new("the row does not have the shape of its schema")
    }
    #[cold]
    pub fn within(mut self, field: &str) -> Self {
        self.path.push(field.into());
        self
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        let path: Vec<&str> = self.path.iter().rev().map(|p| &**p).collect();
        if path.is_empty() { Ok(()) } else { write!(f, ", field \"{}\"", path.join(".")) }
    }
}
