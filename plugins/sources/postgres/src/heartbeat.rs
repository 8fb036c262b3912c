//! Heartbeats (`heartbeat.interval.ms`): records in a topic of their own, so that offsets move and the server's log is
//! released where captured tables are quiet and others are not.

use std::rc::Rc;

use millrace_plugin::{BatchWriter, Error, Schema, schema};

use crate::emit::meta;
use crate::options::Options;

pub struct Heartbeat {
    topic: String,
    server: String,
    key: u32,
    value: u32,
    every_ns: u64,
    /// On the monotonic clock.
    due_ns: u64,
}

impl Heartbeat {
    /// None: no heartbeats are asked for.
    pub fn new(options: &Options, now_ns: u64) -> Result<Option<Self>, Error> {
        if options.heartbeat_interval.is_zero() {
            return Ok(None);
        }
        let key =
            Schema::record().named("io.debezium.connector.common.ServerNameKey").version(1).field("serverName", Schema::text());
        let value = Schema::record().named("io.debezium.connector.common.Heartbeat").version(1).field("ts_ms", Schema::int64());
        let every_ns = options.heartbeat_interval.as_nanos() as u64;
        Ok(Some(Heartbeat {
            topic: format!("{}.{}", options.heartbeat_topic_prefix, options.topic_prefix),
            server: options.topic_prefix.clone(),
            key: schema::intern(&Rc::new(key))?,
            value: schema::intern(&Rc::new(value))?,
            every_ns,
            due_ns: now_ns + every_ns,
        }))
    }

    /// How long until the next, in milliseconds.
    pub fn wait_ms(&self, now_ns: u64) -> u32 {
        (self.due_ns.saturating_sub(now_ns) / 1_000_000).min(u32::MAX.into()) as u32
    }

    /// Whether it is time; the next is then due an interval later.
    pub fn is_due(&mut self, now_ns: u64) -> bool {
        let due = now_ns >= self.due_ns;
        if due {
            self.due_ns = now_ns + self.every_ns;
        }
        due
    }

    pub fn write(&self, writer: &mut BatchWriter, now_us: u64) {
        let topic = writer.topic(&self.topic);
        writer.begin(meta(topic, Some(self.key), Some(self.value)));
        let value = writer.rows().begin(1);
        writer.rows().i64(value, 0, (now_us / 1000) as i64);
        writer.end_value(value);
        let key = writer.rows().begin(1);
        writer.rows().text(key, 0, &self.server);
        writer.end_key(key);
        writer.end();
    }
}
