//! `RegexRouter`: a topic that a regular expression matches as a whole gets another name.

use std::collections::HashMap;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::BatchWriter;

use super::{Definition, Each, Incoming, Make, key};
use crate::pattern::{Pattern, REGEX};

struct RegexRouter {
    regex: Pattern,
    replacement: String,
    known: HashMap<String, String>,
}

/// Names of topics that are remembered.
const KNOWN_MAX: usize = 1_000;

pub(super) fn definition() -> Definition {
    Definition {
        name: "RegexRouter",
        documentation: "Renames topics by a regular expression that has to match the whole name.",
        keys: vec![
            key("regex", ConfigType::String, Default::Required, Importance::High, "The expression.").must(REGEX),
            key(
                "replacement",
                ConfigType::String,
                Default::Required,
                Importance::High,
                "The new name; $1 and so on stand for groups.",
            ),
        ],
        make: Make::Whole(|settings, _| {
            let given = settings.required("regex");
            let wrong = |e| ("regex", format!("Invalid value {given} for configuration regex: {e}"));
            Ok(Box::new(RegexRouter {
                regex: Pattern::new(given).map_err(wrong)?,
                replacement: settings.required("replacement").to_owned(),
                known: HashMap::new(),
            }))
        }),
    }
}

impl Each for RegexRouter {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        if !self.known.contains_key(record.topic) {
            let topic = if self.regex.matches(record.topic) {
                // What is found first is replaced, which need not be all that matches.
                self.regex.replace_first(record.topic, &self.replacement)?
            } else {
                record.topic.to_owned()
            };
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(record.topic.to_owned(), topic);
        }
        Incoming { topic: &self.known[record.topic], ..record }.pass(out);
        Ok(())
    }
}
