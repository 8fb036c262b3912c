//! A configuration with its references resolved, and the way back.

use std::collections::HashMap;

use millrace_record::RawConfig;

use super::builtin::Found;
use super::reference::references;
use crate::secrets::Concealer;

/// A configuration whose references are resolved.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    pub config: RawConfig,
    /// References to providers of ours that know no such key.
    pub missing: Vec<Missing>,
    /// What was replaced: the reference as written, its value.
    values: Vec<(String, String)>,
    /// Settings that hold references: as written, resolved.
    settings: HashMap<String, (String, String)>,
}

/// A reference that its provider does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub setting: String,
    pub reference: String,
    pub provider: String,
    pub path: String,
    pub key: String,
    pub why: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Missing { setting, reference, provider, path, key, why } = self;
        write!(f, "setting \"{setting}\" refers to \"{reference}\", which cannot be resolved: {why} (provider \"{provider}\", ")?;
        if !path.is_empty() {
            write!(f, "path \"{path}\", ")?;
        }
        write!(f, "key \"{key}\")")
    }
}

impl Resolved {
    /// A configuration as it is.
    pub fn of(config: &RawConfig) -> Self {
        Resolved { config: config.clone(), ..Resolved::default() }
    }

    pub(super) fn replace(&mut self, setting: &str, value: &str, found: &HashMap<(&str, &str), Found>) {
        let mut out = String::new();
        let mut upto = 0;
        for reference in references(value) {
            let Some(answer) = found.get(&(reference.provider, reference.path)) else { continue };
            let Some(resolved) = answer.values.get(reference.key) else {
                self.missing.push(Missing {
                    setting: setting.to_owned(),
                    reference: reference.text.to_owned(),
                    provider: reference.provider.to_owned(),
                    path: reference.path.to_owned(),
                    key: reference.key.to_owned(),
                    why: answer.otherwise.clone(),
                });
                continue;
            };
            out.push_str(&value[upto..reference.at.start]);
            out.push_str(resolved);
            upto = reference.at.end;
            self.values.push((reference.text.to_owned(), resolved.clone()));
        }
        if upto > 0 {
            out.push_str(&value[upto..]);
            self.settings.insert(setting.to_owned(), (value.to_owned(), out.clone()));
            self.config.insert(setting.to_owned(), out);
        }
    }

    /// An error that names everything that is missing, with its setting.
    pub fn complete(&self) -> Result<(), String> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = self.missing.iter().map(Missing::to_string).collect();
        Err(missing.join("; "))
    }

    /// A setting as it was written, if it holds references that were resolved.
    pub fn written(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting).map(|(written, _)| written.as_str())
    }

    /// What was resolved: the reference as written, its value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(reference, value)| (reference.as_str(), value.as_str()))
    }

    /// A text about `setting` with the references instead of their values.
    pub fn conceal(&self, setting: &str, text: &str) -> String {
        let Some((written, resolved)) = self.settings.get(setting) else { return self.concealed(text) };
        // Kafka's sentence of a wrong value; however short the value, it is found here.
        let text = text.replace(&format!("Invalid value {resolved} "), &format!("Invalid value {written} "));
        let own = [(resolved.as_str(), written.as_str())];
        Concealer::new(own.into_iter().chain(self.pairs())).map_or(text.clone(), |c| c.conceal(&text).into_owned())
    }

    /// Any text, with the references instead of values long enough to be told from other words.
    pub fn concealed(&self, text: &str) -> String {
        Concealer::new(self.pairs()).map_or(text.to_owned(), |c| c.conceal(text).into_owned())
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values().map(|(reference, value)| (value, reference))
    }

    /// A configuration that a plugin made out of this one, as it may be kept and shown: settings that it passed on are as
    /// they were written, and values that it put elsewhere are references again.
    pub fn restored(&self, made: &RawConfig) -> RawConfig {
        let concealer = Concealer::new(self.pairs());
        let restore = |(setting, value): (&String, &String)| {
            let restored = match self.settings.get(setting) {
                Some((written, resolved)) if resolved == value => written.clone(),
                _ => concealer.as_ref().map_or(value.clone(), |c| c.conceal(value).into_owned()),
            };
            (setting.clone(), restored)
        };
        made.iter().map(restore).collect()
    }
}
