//! What becomes of a failure: retry, tolerate, dead letter queue, or stop.
//!
//! Two kinds of failure have rules of their own. A whole call into a plugin fails: [`backoff`] says how long to wait before
//! the next try. A record fails at a [`Stage`]: Connect's `errors.*` settings decide, as [`tolerance`] has them; a sink's
//! goes to the queue of [`dead_letters`], with the headers of [`context`].

pub mod backoff;
pub mod context;
pub mod dead_letters;
pub mod queue_name;
pub mod retention;
pub mod tolerance;

/// Where a record failed, by Connect's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    TaskPoll,
    TaskPut,
    Transformation,
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    KafkaProduce,
    KafkaConsume,
}

impl Stage {
    /// As in `__connect.errors.stage`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::TaskPoll => "TASK_POLL",
            Stage::TaskPut => "TASK_PUT",
            Stage::Transformation => "TRANSFORMATION",
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
            Stage::HeaderConverter => "HEADER_CONVERTER",
            Stage::KafkaProduce => "KAFKA_PRODUCE",
            Stage::KafkaConsume => "KAFKA_CONSUME",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
