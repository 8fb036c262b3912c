//! Failures in the words of Confluent's converters.

use millrace_record::convert::ConvertError;

use crate::SchemaType;

/// Whether a record is written to the log or read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    To,
    From,
}

/// Makes the failures of a converter: which format it writes, and whether it is for keys.
#[derive(Debug, Clone, Copy)]
pub struct Failures {
    pub of: SchemaType,
    pub is_key: bool,
}

impl Failures {
    /// The format's name in messages.
    pub fn format(self) -> &'static str {
        match self.of {
            SchemaType::Avro => "Avro",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "Protobuf",
        }
    }

    /// `key` or `value`.
    pub fn role(self) -> &'static str {
        if self.is_key { "key" } else { "value" }
    }

    /// A failure of serializing or deserializing: Connect's exception names the topic, and what happened is in the one
    /// behind it.
    pub fn serialization(self, direction: Direction, topic: &str, what: &str) -> ConvertError {
        let format = self.format();
        let message = match (direction, self.of) {
            (Direction::To, SchemaType::Json) => {
                format!("Converting Kafka Connect data to byte[] failed due to serialization error of topic {topic}: ")
            }
            (Direction::From, SchemaType::Json) => {
                format!("Converting byte[] to Kafka Connect data failed due to serialization error of topic {topic}: ")
            }
            (Direction::To, _) => format!("Failed to serialize {format} data from topic {topic}:"),
            (Direction::From, _) => format!("Failed to deserialize data for topic {topic} to {format}:"),
        };
        let mut error = ConvertError::data(message);
        error.cause = Some(what.to_owned());
        error
    }

    /// A failure of serializing with one behind it.
    pub fn because(self, direction: Direction, topic: &str, what: &str, why: &str) -> ConvertError {
        self.serialization(direction, topic, &format!("{what}: {why}"))
    }

    /// The bytes do not begin with the header of the wire format.
    pub fn no_header(self, topic: &str, id: Option<i32>) -> ConvertError {
        let what = format!("Error deserializing {} message for id {}", self.format(), id.unwrap_or(-1));
        self.because(Direction::From, topic, &what, "Unknown magic byte!")
    }
}
