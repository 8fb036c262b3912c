//! A converter's own settings, without the prefix of the setting that names it.

use millrace_record::RawConfig;

/// Reads settings; every error names the key, the value and what is expected.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a>(pub &'a RawConfig);

impl<'a> Settings<'a> {
    /// None: it is not set, or empty.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    pub fn wrong(&self, key: &str, value: &str, remedy: &str) -> String {
        format!("Invalid value {value} for configuration {key}: {remedy}")
    }

    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.text(key) {
            None => Ok(default),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(self.wrong(key, v, "Expected value to be either true or false")),
        }
    }

    pub fn integer(&self, key: &str, default: i32) -> Result<i32, String> {
        let Some(v) = self.text(key) else { return Ok(default) };
        v.parse().map_err(|_| self.wrong(key, v, "Not a number of type INT"))
    }

    /// What a comma-separated list holds.
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.text(key).into_iter().flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).collect()
    }
}
