//! The Java client's settings by librdkafka's names, where they differ.

use super::client::ClientKind;
use super::native;

/// What becomes of a setting.
#[derive(Debug, PartialEq, Eq)]
pub enum Translated {
    As(Vec<(String, String)>),
    /// It has no effect; why, for a person.
    Dropped(String),
}

/// Settings of the Java client without a counterpart, and what holds instead.
const DROPPED: &[(&str, &str)] = &[
    ("key.serializer", "converters make the bytes"),
    ("value.serializer", "converters make the bytes"),
    ("key.deserializer", "converters read the bytes"),
    ("value.deserializer", "converters read the bytes"),
    ("interceptor.classes", "interceptors are Java classes"),
    ("metric.reporters", "reporters are Java classes"),
    ("partitioner.class", "partitioners are Java classes; \"partitioner\" names one of librdkafka's"),
    ("max.poll.records", "\"batch.max.records\" of the connector limits a batch"),
    ("buffer.memory", "\"queue.buffering.max.kbytes\" limits the producer's queue"),
    ("max.block.ms", "a full queue waits for the log"),
    ("metadata.recovery.rebootstrap.trigger.ms", "librdkafka has no such setting"),
    ("sasl.login.class", "it is a Java class"),
    ("sasl.login.callback.handler.class", "it is a Java class"),
    ("sasl.client.callback.handler.class", "it is a Java class"),
    ("ssl.protocol", "TLS 1.2 and 1.3 are offered"),
    ("ssl.enabled.protocols", "TLS 1.2 and 1.3 are offered"),
    ("ssl.provider", "it is a Java provider"),
    ("ssl.keymanager.algorithm", "it is Java's"),
    ("ssl.trustmanager.algorithm", "it is Java's"),
    ("ssl.secure.random.implementation", "it is Java's"),
    ("ssl.engine.factory.class", "it is a Java class"),
    ("ssl.client.auth", "it is a server's setting"),
    ("ssl.truststore.password", "a PEM truststore has no password"),
];

/// Renamed, the value staying.
const RENAMED: &[(&str, &str)] = &[
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.ms"),
    ("default.api.timeout.ms", "socket.timeout.ms"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.cipher.suites", "ssl.cipher.suites"),
    ("sasl.kerberos.service.name", "sasl.kerberos.service.name"),
];

/// librdkafka's range of settings for which Java takes numbers beyond it.
const RANGES: &[(&str, i64, i64)] = &[
    ("socket.timeout.ms", 10, 300_000),
    ("request.timeout.ms", 1, 900_000),
    ("socket.send.buffer.bytes", 0, 100_000_000),
    ("socket.receive.buffer.bytes", 0, 100_000_000),
    ("socket.connection.setup.timeout.ms", 1_000, i32::MAX as i64),
    ("connections.max.idle.ms", 0, i32::MAX as i64),
    ("reconnect.backoff.ms", 0, 3_600_000),
    ("reconnect.backoff.max.ms", 0, 3_600_000),
    ("retry.backoff.ms", 1, 300_000),
    ("retry.backoff.max.ms", 1, 300_000),
    ("metadata.max.age.ms", 1, 86_400_000),
    ("message.max.bytes", 1_000, 1_000_000_000),
    ("linger.ms", 0, 900_000),
    ("batch.size", 1, i32::MAX as i64),
    ("delivery.timeout.ms", 0, i32::MAX as i64),
    ("fetch.min.bytes", 1, 100_000_000),
    ("fetch.wait.max.ms", 0, 300_000),
    ("max.partition.fetch.bytes", 1, 1_000_000_000),
    ("session.timeout.ms", 1, 3_600_000),
    ("heartbeat.interval.ms", 1, 3_600_000),
    ("max.poll.interval.ms", 1, 86_400_000),
];

pub fn translate(kind: ClientKind, name: &str, value: &str) -> Translated {
    let value = value.trim();
    let one = |name: &str, value: &str| Translated::As(vec![(name.to_owned(), value.to_owned())]);
    let dropped = |why: &str| Translated::Dropped(why.to_owned());
    match name {
        "request.timeout.ms" if kind != ClientKind::Producer => {
            return one("socket.timeout.ms", &within("socket.timeout.ms", value));
        }
        "bootstrap.servers" => return dropped("tasks use the worker's own log: set the worker's \"bootstrap.servers\""),
        "group.id" if kind != ClientKind::Consumer => return dropped("only consumers have a group"),
        "enable.auto.commit" | "enable.auto.offset.store" => return dropped("offsets are committed when records are durable"),
        "acks" if value == "-1" => return one("acks", "all"),
        "fetch.max.wait.ms" => return one("fetch.wait.max.ms", &within("fetch.wait.max.ms", value)),
        "max.request.size" => return one("message.max.bytes", &within("message.max.bytes", value)),
        "max.in.flight.requests.per.connection" | "max.in.flight" => return one("max.in.flight", value),
        "ssl.endpoint.identification.algorithm" if value.is_empty() => return one(name, "none"),
        "compression.type" | "enable.idempotence" | "linger.ms" | "batch.size" if kind != ClientKind::Producer => {
            return dropped("it is a producer's setting");
        }
        "partition.assignment.strategy" => return assignors(value),
        // librdkafka looks for new topics and partitions by a setting of its own.
        "metadata.max.age.ms" => {
            let age = value.parse::<i64>().map_or(value.to_owned(), |ms| ms.clamp(1, 3_600_000).to_string());
            return Translated::As(vec![(name.to_owned(), age.clone()), ("topic.metadata.refresh.interval.ms".to_owned(), age)]);
        }
        "sasl.jaas.config" => return jaas(value),
        "ssl.truststore.location" | "ssl.keystore.location" => return store(name, value),
        "ssl.truststore.type" | "ssl.keystore.type" => {
            return if value.eq_ignore_ascii_case("PEM") || value.eq_ignore_ascii_case("PKCS12") {
                Translated::As(Vec::new())
            } else {
                dropped("only PEM and PKCS12 stores can be read: convert it, for instance with openssl")
            };
        }
        _ => {}
    }
    if let Some((_, why)) = DROPPED.iter().find(|(n, _)| *n == name) {
        return dropped(why);
    }
    let name = RENAMED.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| *to);
    if native::known(name) { one(name, &within(name, value)) } else { dropped("librdkafka has no such setting") }
}

/// Whether a setting of librdkafka's is known to be a number.
pub fn is_number(name: &str) -> bool {
    RANGES.iter().any(|(n, ..)| *n == name)
}

/// A number that Java takes and librdkafka does not counts as the nearest that it takes.
fn within(name: &str, value: &str) -> String {
    let range = RANGES.iter().find(|(n, ..)| *n == name);
    match (range, value.parse::<i64>()) {
        (Some((_, least, most)), Ok(n)) => n.clamp(*least, *most).to_string(),
        _ => value.to_owned(),
    }
}

/// Java's assignor classes by librdkafka's names.
fn assignors(value: &str) -> Translated {
    let mut names = Vec::new();
    for class in value.split(',').map(str::trim).filter(|c| !c.is_empty()) {
        names.push(match class.rsplit('.').next().unwrap_or(class) {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => {
                return Translated::Dropped(format!(
                    "assignor {class} is not offered: set range, roundrobin or cooperative-sticky"
                ));
            }
        });
    }
    Translated::As(vec![("partition.assignment.strategy".into(), names.join(","))])
}

fn store(name: &str, path: &str) -> Translated {
    let lower = path.to_ascii_lowercase();
    if lower.ends_with(".jks") {
        let why = "a JKS store cannot be read: convert it to PEM (keytool -importkeystore, then openssl)";
        return Translated::Dropped(why.into());
    }
    let pkcs12 = lower.ends_with(".p12") || lower.ends_with(".pfx");
    let names: &[&str] = match (name, pkcs12) {
        ("ssl.keystore.location", true) => &["ssl.keystore.location"],
        ("ssl.keystore.location", false) => &["ssl.certificate.location", "ssl.key.location"],
        (_, true) => return Translated::Dropped("a PKCS12 truststore cannot be read: export its certificates as PEM".into()),
        (_, false) => &["ssl.ca.location"],
    };
    Translated::As(names.iter().map(|n| (n.to_string(), path.to_owned())).collect())
}

/// The login module's options are librdkafka's settings.
fn jaas(value: &str) -> Translated {
    let option = |name: &str| {
        let mut rest = value;
        while let Some(at) = rest.find(name) {
            let starts_word = rest[..at].chars().next_back().is_none_or(|c| c.is_whitespace());
            let after = rest[at + name.len()..].trim_start();
            rest = &rest[at + name.len()..];
            if let (true, Some(after)) = (starts_word, after.strip_prefix('=')) {
                return Some(quoted(after.trim_start()));
            }
        }
        None
    };
    let module = value.split_whitespace().next().unwrap_or_default();
    let pairs: &[(&str, &str)] = match module.rsplit('.').next().unwrap_or_default() {
        "PlainLoginModule" | "ScramLoginModule" => &[("username", "sasl.username"), ("password", "sasl.password")],
        "OAuthBearerLoginModule" => &[
            ("clientId", "sasl.oauthbearer.client.id"),
            ("clientSecret", "sasl.oauthbearer.client.secret"),
            ("scope", "sasl.oauthbearer.scope"),
        ],
        "Krb5LoginModule" => &[
            ("principal", "sasl.kerberos.principal"),
            ("keyTab", "sasl.kerberos.keytab"),
            ("serviceName", "sasl.kerberos.service.name"),
        ],
        _ => {
            let why = format!("login module {module} is not known: set sasl.username and sasl.password");
            return Translated::Dropped(why);
        }
    };
    Translated::As(pairs.iter().filter_map(|(from, to)| Some((to.to_string(), option(from)?))).collect())
}

fn quoted(text: &str) -> String {
    let Some(quote) = text.chars().next().filter(|c| *c == '"' || *c == '\'') else {
        return text.split([' ', ';', '\t', '\n']).next().unwrap_or_default().to_owned();
    };
    let mut out = String::new();
    let mut chars = text[1..].chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c if c == quote => break,
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(translate(ClientKind::Consumer, name, value), Translated::As(expected), "{name}={value}");
    }

    #[test]
    fn javas_names_become_librdkafkas() {
        check("security.protocol", "SASL_SSL", &[("security.protocol", "SASL_SSL")]);
        check(
            "sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a b\" password='x\\'y;=';",
            &[("sasl.username", "a b"), ("sasl.password", "x'y;=")],
        );
        check("ssl.truststore.location", "/ca.pem", &[("ssl.ca.location", "/ca.pem")]);
        check(
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            &[("partition.assignment.strategy", "cooperative-sticky")],
        );
        check("fetch.max.wait.ms", "10", &[("fetch.wait.max.ms", "10")]);
        assert!(matches!(translate(ClientKind::Consumer, "ssl.truststore.location", "/a.jks"), Translated::Dropped(_)));
        assert!(matches!(translate(ClientKind::Producer, "interceptor.classes", "x"), Translated::Dropped(_)));
    }
}
