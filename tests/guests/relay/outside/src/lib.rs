//! For tests: lets every record pass, counts them in Redis, and copies them to a topic, signed with a secret.

use millrace_plugin::kafka::{self, Message};
use millrace_plugin::redis::{Connection, Reply};
use millrace_plugin::{Batch, ConfigKey, Error, Outcome, PluginInfo, TaskContext, Transform, export_transform, secrets};

struct Outside {
    topic: String,
    redis: Connection,
}

impl Transform for Outside {
    fn info() -> PluginInfo {
        PluginInfo::transform("relay-outside", env!("CARGO_PKG_VERSION"))
            .doc("For tests: counts records in Redis, and copies them, signed, to a topic.")
            .class("test.Outside")
            .key(ConfigKey::text("topic").required().doc("Where copies go."))
            .key(ConfigKey::text("redis.url").required().doc("The Redis that counts."))
            .key(ConfigKey::password("redis.password").required().doc("How to get in there."))
            .key(ConfigKey::password("sign.key").required().doc("What copies are signed with."))
            .binding("store", "redis", [("url", "redis.url"), ("password", "redis.password")])
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        if ctx.config.required("redis.password")? != "[hidden]" {
            return Err(Error::fatal("test.secret", "the secret is there to be read"));
        }
        Ok(Outside { topic: ctx.config.required("topic")?.to_owned(), redis: Connection::open("store")? })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let values = batch.documents("value")?;
        let [Reply::Integer(_)] = self.redis.run(["INCRBY", "seen", &values.len().to_string()])?[..] else {
            return Err(Error::fatal("test.redis", "the count is no number"));
        };
        let copies = values.into_iter().flatten().map(|value| {
            let signature = secrets::hmac_sha256("sign.key", value.as_bytes())?;
            Ok(Message::new(&self.topic, value).key("copy").header("signature", signature))
        });
        kafka::send(&copies.collect::<Result<Vec<_>, Error>>()?)?;
        Ok(Outcome::unchanged())
    }
}

export_transform!(Outside);
