//! Reads settings one by one, and keeps what is wrong with them.

use millrace_record::RawConfig;

use super::{WrongSetting, keys};

/// What was written, and what of it is wrong.
pub(super) struct Reader<'a> {
    pub raw: &'a RawConfig,
    pub wrong: Vec<WrongSetting>,
}

impl Reader<'_> {
    pub fn wrong(&mut self, key: &str, message: String) {
        self.wrong.push(WrongSetting { key: key.to_owned(), message });
    }

    pub fn text(&self, key: &str) -> Option<String> {
        let written = self.raw.get(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        written.or_else(|| keys::find(key)?.default.map(str::to_owned))
    }

    /// Types are checked before, over all keys: what does not parse here was reported there.
    pub fn number<T: std::str::FromStr + PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        key: &str,
        least: T,
        fallback: T,
    ) -> T {
        let Some(n) = self.text(key).and_then(|v| v.parse::<T>().ok()) else { return fallback };
        if n < least {
            self.wrong(key, format!("invalid value {n}: set at least {least}"));
        }
        n
    }

    pub fn boolean(&self, key: &str) -> bool {
        self.text(key).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    pub fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
    }
}
