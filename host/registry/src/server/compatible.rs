//! Whether a new schema may follow those that a subject has, and why not, in the words of Confluent's registry.

use serde_json::Value;

use super::config::Config;
use super::record::Content;
use super::state::{State, Version};
use super::subject::Subject;
use super::texts::{Text, Texts};
use crate::compatibility::Level;
use crate::{Incompatibility, ParsedSchema};

/// What a new schema is held against.
pub struct Check<'a> {
    pub state: &'a State,
    pub texts: &'a Texts,
    pub subject: &'a Subject,
    pub config: &'a Config,
}

impl Check<'_> {
    /// Why `new` may not follow `versions`, oldest first; empty where it may.
    pub fn messages(&self, new: &Text, metadata: Option<&Value>, versions: &[(i32, &Version)]) -> Vec<String> {
        let level = self.config.level();
        if level == Level::None {
            return Vec::new();
        }
        let group = self.config.compatibility_group.as_deref();
        let of = |metadata: Option<&Value>| group.and_then(|g| metadata?.get("properties")?.get(g).cloned());
        let mine = of(metadata);
        let asked = versions.iter().filter(|(_, v)| group.is_none() || of(v.schema.metadata.as_ref()) == mine);
        let mut asked: Vec<_> = asked.collect();
        if !level.is_transitive() {
            asked.drain(..asked.len().saturating_sub(1));
        }
        let mut parsed = Vec::with_capacity(asked.len());
        for (number, version) in &asked {
            match self.texts.of(self.state, self.subject, &version.schema) {
                Ok(text) => parsed.push(text),
                Err(why) => {
                    return vec![format!("{{errorType:'INVALID_SCHEMA', description:'version {number} is no schema: {why}'}}")];
                }
            }
        }
        let olds: Vec<&ParsedSchema> = parsed.iter().map(|t| &t.schema).collect();
        match level.violations(&new.schema, &olds) {
            None => Vec::new(),
            Some((at, found)) => self.described(&found, asked[at].0, &asked[at].1.schema),
        }
    }

    fn described(&self, found: &[Incompatibility], version: i32, old: &Content) -> Vec<String> {
        let mut messages: Vec<String> = found.iter().map(describe).collect();
        messages.push(format!("{{oldSchemaVersion: {version}}}"));
        messages.push(format!("{{oldSchema: '{}'}}", old.text));
        let validate = self.config.validate_fields.unwrap_or_default();
        messages.push(format!("{{validateFields: '{validate}', compatibility: '{}'}}", self.config.level()));
        messages
    }
}

fn describe(found: &Incompatibility) -> String {
    let Incompatibility { kind, description, additional, .. } = found;
    match additional.is_empty() {
        true => format!("{{errorType:'{kind}', description:'{description}'}}"),
        false => format!("{{errorType:'{kind}', description:'{description}', additionalInfo:'{additional}'}}"),
    }
}
