//! `TimestampRouter`: the topic's name is made of the topic and the record's time.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use millrace_record::Schemas;
use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::BatchWriter;

use super::date_format::DateFormat;
use super::{Definition, Each, Incoming, Make, key, print};

struct TimestampRouter {
    topic: String,
    /// A pattern that is none is an error of each record, as in Connect.
    format: Result<DateFormat, String>,
    schemas: Arc<Schemas>,
}

/// A format by a pattern, for texts of this time.
pub(super) fn date_format(pattern: &str) -> Result<DateFormat, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateFormat::new(pattern, now.as_millis() as i64)
}

pub(super) fn definition() -> Definition {
    Definition {
        name: "TimestampRouter",
        documentation: "Puts the record's time into the name of its topic.",
        keys: vec![
            key(
                "topic.format",
                ConfigType::String,
                Default::Value("${topic}-${timestamp}".into()),
                Importance::High,
                "The new name; ${topic} stands for the old one, ${timestamp} for the time.",
            ),
            key(
                "timestamp.format",
                ConfigType::String,
                Default::Value("yyyyMMdd".into()),
                Importance::High,
                "How the time is written, as Java's SimpleDateFormat has it.",
            ),
        ],
        make: Make::Whole(|settings, schemas| {
            Ok(Box::new(TimestampRouter {
                topic: settings.required("topic.format").to_owned(),
                format: date_format(settings.required("timestamp.format")),
                schemas: schemas.clone(),
            }))
        }),
    }
}

impl Each for TimestampRouter {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let missing = || format!("Timestamp missing on record: {}", print::record(&record.record, record.topic, &self.schemas));
        let timestamp = record.record.timestamp().ok_or_else(missing)?;
        let time = self.format.as_ref().map_err(Clone::clone)?.format(timestamp);
        let topic = self.topic.replace("${topic}", record.topic).replace("${timestamp}", &time);
        Incoming { topic: &topic, ..record }.pass(out);
        Ok(())
    }
}
