//! The subject under which a record's schema stands: `key.subject.name.strategy` and `value.subject.name.strategy`.

use millrace_record::convert::ConvertError;

use super::Settings;
use super::failure::{Direction, Failures};

/// How the subject is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// `<topic>-key`, `<topic>-value`.
    #[default]
    Topic,
    /// The record's full name.
    Record,
    /// `<topic>-<the record's full name>`.
    TopicRecord,
}

const PACKAGE: &str = "io.confluent.kafka.serializers.subject.";

const STRATEGIES: [(&str, Strategy); 4] = [
    ("TopicNameStrategy", Strategy::Topic),
    ("RecordNameStrategy", Strategy::Record),
    ("TopicRecordNameStrategy", Strategy::TopicRecord),
    // Confluent's default, which is the topic's where nothing is associated.
    ("AssociatedNameStrategy", Strategy::Topic),
];

/// Names the subjects of a converter.
#[derive(Debug, Clone)]
pub struct Subjects {
    strategy: Strategy,
    is_key: bool,
    /// The context of all subjects, where the converter names one: `:.name:`.
    context: String,
}

impl Subjects {
    pub fn new(is_key: bool, settings: &Settings<'_>) -> Result<Self, String> {
        let key = if is_key { "key.subject.name.strategy" } else { "value.subject.name.strategy" };
        let strategy = match settings.text(key) {
            None => Strategy::default(),
            Some(class) => {
                let simple = class.strip_prefix(PACKAGE).unwrap_or(class);
                let found = STRATEGIES.iter().find(|(name, _)| *name == simple);
                let known = STRATEGIES.iter().take(3).map(|(name, _)| format!("{PACKAGE}{name}")).collect::<Vec<_>>();
                found.map(|s| s.1).ok_or_else(|| {
                    settings.wrong(key, class, &format!("Class {class} could not be found: use one of {}", known.join(", ")))
                })?
            }
        };
        let context = match settings.text("context.name.strategy") {
            None => String::new(),
            Some(class) if class.ends_with(".NullContextNameStrategy") => String::new(),
            Some(class) => {
                let remedy = "only io.confluent.kafka.serializers.context.NullContextNameStrategy is known: name the context \
                              in the URL's path or in the subject instead";
                return Err(settings.wrong("context.name.strategy", class, remedy));
            }
        };
        Ok(Subjects { strategy, is_key, context })
    }

    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The subject of a schema; `record` is its full name, where it has one.
    pub fn name(&self, failures: Failures, topic: &str, record: Option<&str>) -> Result<String, ConvertError> {
        let subject = match (self.strategy, record) {
            (Strategy::Topic, _) => return Ok(self.of_topic(topic)),
            (Strategy::Record, Some(record)) => format!("{}{record}", self.context),
            (Strategy::TopicRecord, Some(record)) => format!("{}{topic}-{record}", self.context),
            (strategy, None) => {
                let (role, name) = (failures.role(), STRATEGIES.iter().find(|s| s.1 == strategy).expect("all are listed").0);
                let what = format!(
                    "In configuration {role}.subject.name.strategy = {PACKAGE}{name}, the message {role} must only be a record schema"
                );
                return Err(failures.serialization(Direction::To, topic, &what));
            }
        };
        Ok(subject)
    }

    /// Where the schema of a record that is read is first looked for: its name is not known before.
    pub fn to_look_in(&self, topic: &str) -> String {
        match self.strategy {
            Strategy::Topic => self.of_topic(topic),
            _ => self.context.clone(),
        }
    }

    fn of_topic(&self, topic: &str) -> String {
        format!("{}{topic}-{}", self.context, if self.is_key { "key" } else { "value" })
    }
}
