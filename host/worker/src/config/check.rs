//! Checks every setting by itself: its type, the values that Connect allows, and whether anybody knows it.

use millrace_record::RawConfig;
use millrace_record::config::ConfigType;

use super::keys::{self, Support, WORKER_PREFIXES};
use super::{WrongSetting, secret};
use crate::kafka::client::{ClientKind, ClientSettings};

/// What Connect allows of a setting beyond its type.
enum Allowed {
    OneOf(&'static [&'static str]),
    AtLeast(i64),
    Between(i64, i64),
}

use Allowed::{AtLeast, Between, OneOf};

const ALLOWED: &[(&str, Allowed)] = &[
    ("client.dns.lookup", OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
    ("connect.protocol", OneOf(&["eager", "compatible", "sessioned"])),
    ("exactly.once.source.support", OneOf(&["disabled", "preparing", "enabled"])),
    ("metadata.recovery.strategy", OneOf(&["rebootstrap", "none"])),
    ("metrics.recording.level", OneOf(&["INFO", "DEBUG"])),
    ("plugin.discovery", OneOf(&["only_scan", "service_load", "hybrid_warn", "hybrid_fail"])),
    ("security.protocol", OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
    ("ssl.client.auth", OneOf(&["required", "requested", "none"])),
    ("sasl.oauthbearer.assertion.algorithm", OneOf(&["ES256", "RS256"])),
    ("embedded.broker.flush", OneOf(&["never", "interval", "always"])),
    ("connections.max.idle.ms", AtLeast(-1)),
    ("inter.worker.key.ttl.ms", AtLeast(0)),
    ("metadata.max.age.ms", AtLeast(0)),
    ("metadata.recovery.rebootstrap.trigger.ms", AtLeast(0)),
    ("metrics.num.samples", AtLeast(1)),
    ("metrics.sample.window.ms", AtLeast(0)),
    ("offset.flush.interval.ms", AtLeast(1)),
    ("offset.flush.timeout.ms", AtLeast(1)),
    ("receive.buffer.bytes", AtLeast(-1)),
    ("reconnect.backoff.max.ms", AtLeast(0)),
    ("reconnect.backoff.ms", AtLeast(0)),
    ("request.timeout.ms", AtLeast(0)),
    ("retry.backoff.max.ms", AtLeast(1)),
    ("retry.backoff.ms", AtLeast(1)),
    ("retry.max.attempts", AtLeast(1)),
    ("task.restart.max.attempts", AtLeast(-1)),
    ("task.restart.fatal.max.attempts", AtLeast(-1)),
    ("task.stuck.after.ms", AtLeast(1)),
    ("batch.max.records", AtLeast(1)),
    ("batch.max.bytes", AtLeast(1_024)),
    ("errors.tolerance", OneOf(&["none", "all"])),
    ("errors.retry.timeout", AtLeast(-1)),
    ("errors.retry.delay.max.ms", AtLeast(0)),
    ("scheduled.rebalance.max.delay.ms", AtLeast(0)),
    ("send.buffer.bytes", AtLeast(-1)),
    ("socket.connection.setup.timeout.max.ms", AtLeast(0)),
    ("socket.connection.setup.timeout.ms", AtLeast(0)),
    ("sasl.login.refresh.buffer.seconds", Between(0, 3_600)),
    ("sasl.login.refresh.min.period.seconds", Between(0, 900)),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", Between(0, 86_400)),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", Between(0, 3_600)),
];

/// All settings: what is wrong, and warnings for those without effect and those nobody knows.
pub(super) fn settings(raw: &RawConfig, wrong: &mut Vec<WrongSetting>, warnings: &mut Vec<String>) {
    for (key, value) in raw {
        let Some(known) = keys::find(key) else {
            if WORKER_PREFIXES.iter().any(|p| key.starts_with(p)) {
                continue;
            }
            let hint = keys::nearest(key).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
            warnings.push(format!("unknown setting \"{key}\" is ignored{hint}"));
            continue;
        };
        let value = value.trim();
        // What a reference could not be resolved to is told already.
        if value.is_empty() || wrong.iter().any(|w| w.key == *key) {
            continue;
        }
        if let Some(expected) = of_type(known.kind, value).or_else(|| allowed(key, value)) {
            let shown = if secret(key) { "[hidden]" } else { value };
            wrong.push(WrongSetting { key: key.clone(), message: format!("invalid value {shown}: {expected}") });
        } else if let Support::NoEffect(why) = known.support {
            warnings.push(format!("setting \"{key}\" has no effect: {why}"));
        }
    }
    clients(raw, wrong);
}

fn of_type(kind: ConfigType, value: &str) -> Option<String> {
    let expected = match kind {
        ConfigType::Boolean if !["true", "false"].iter().any(|b| value.eq_ignore_ascii_case(b)) => "set true or false",
        ConfigType::Int if value.parse::<i32>().is_err() => "set a whole number (INT)",
        ConfigType::Short if value.parse::<i16>().is_err() => "set a whole number (SHORT)",
        ConfigType::Long if value.parse::<i64>().is_err() => "set a whole number (LONG)",
        ConfigType::Double if value.parse::<f64>().is_err() => "set a number (DOUBLE)",
        _ => return None,
    };
    Some(expected.to_owned())
}

fn allowed(key: &str, value: &str) -> Option<String> {
    let (_, allowed) = ALLOWED.iter().find(|(k, _)| *k == key)?;
    let outside = |least: i64, most: i64| value.parse::<i64>().is_ok_and(|n| n < least || n > most);
    match allowed {
        OneOf(values) if !values.iter().any(|v| v.eq_ignore_ascii_case(value)) => {
            Some(format!("set one of {}", values.join(", ")))
        }
        AtLeast(least) if outside(*least, i64::MAX) => Some(format!("set at least {least}")),
        Between(least, most) if outside(*least, *most) => Some(format!("set {least} to {most}")),
        _ => None,
    }
}

/// What a Kafka client would refuse: its error would come later, and for one setting at a time.
fn clients(raw: &RawConfig, wrong: &mut Vec<WrongSetting>) {
    let clients = ClientSettings::new("", raw.clone());
    for kind in ClientKind::ALL {
        for (key, why) in clients.refused(kind, &RawConfig::new()) {
            if !wrong.iter().any(|w| w.key == key) {
                wrong.push(WrongSetting { message: format!("a {} refuses it: {why}", kind.name()), key });
            }
        }
    }
}
