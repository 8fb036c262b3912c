//! The topic of a source's own for its offsets: nothing else may be in it.

use super::Validation;
use crate::kafka::topic_name;
use crate::storage::offsets::TOPIC;

impl Validation<'_> {
    pub(super) fn offsets_topic(&mut self) {
        let Some(topic) = self.herder.offsets.own(self.config) else { return };
        let queue = self.config.get("errors.deadletterqueue.topic.name").is_some_and(|queue| queue.trim() == topic);
        let wrong = match topic_name::check(topic) {
            Err(why) => why,
            Ok(()) if self.herder.worker.internal_topics().iter().any(|t| t == topic) => {
                "the worker keeps something else in this topic; name one for offsets alone".to_owned()
            }
            Ok(()) if queue => "the dead letters go to this topic; name one for offsets alone".to_owned(),
            Ok(()) => return,
        };
        self.infos.error(TOPIC, format!("Invalid value {topic} for configuration {TOPIC}: {wrong}"));
    }
}
