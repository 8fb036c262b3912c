//! Keys that every connector has, whatever its plugin: the definitions behind validation and the plugin listing.

mod connect;
mod extensions;

use std::sync::LazyLock;

use millrace_record::PluginKind;
use millrace_record::config::{ConfigKey, ConfigType, Default, Importance, Validator, Width};

use super::infos::Definition;
use connect::{SHARED, SINK, SOURCE};
use extensions::{AT_LEAST, EXTENSIONS, SINK_EXTENSIONS, SOURCE_EXTENSIONS};

/// (name, type, default, importance, group, order, width, display name, documentation). A default of `REQUIRED` is none.
type Row = (&'static str, ConfigType, &'static str, Importance, &'static str, u32, Width, &'static str, &'static str);

const REQUIRED: &str = "\0required";
const NULL: &str = "\0null";

/// What values must be.
fn rules(mut key: ConfigKey) -> ConfigKey {
    let validator = match key.name.as_str() {
        "name" => Validator::Name,
        "tasks.max" => Validator::AtLeast(1),
        "transforms" | "predicates" | "topic.creation.groups" => Validator::Aliases,
        "exactly.once.support" => Validator::OneOfIgnoringCase(&["REQUIRED", "REQUESTED"]),
        "transaction.boundary" => Validator::OneOfIgnoringCase(&["INTERVAL", "POLL", "CONNECTOR"]),
        "offsets.storage.topic" => Validator::NonEmpty,
        "topics" => Validator::Distinct { empty: true },
        "topics.regex" => crate::pattern::REGEX,
        "errors.deadletterqueue.context.headers.family" => return key.allowed(["", "connect", "dlq", "both"]),
        "config.action.reload" => return key.allowed(["none", "restart"]),
        "errors.tolerance" => return key.allowed(["none", "all"]),
        _ => return key,
    };
    key.validators.push(validator);
    key
}

/// Connect's groups, in its order; keys of later ones come with their owner.
pub fn groups(kind: PluginKind) -> Vec<String> {
    let own: &[&str] =
        if kind == PluginKind::Source { &["Topic Creation", "Exactly Once Support", "offsets.topic"] } else { &[] };
    SHARED_GROUPS.iter().chain(own).map(|g| g.to_string()).collect()
}

pub const SHARED_GROUPS: &[&str] = &["Common", "Transforms", "Predicates", "Error Handling"];

/// Keys of any connector.
pub fn shared() -> &'static [Definition] {
    static KEYS: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SHARED));
    &KEYS
}

/// Keys of sources or of sinks.
pub fn of_kind(kind: PluginKind) -> &'static [Definition] {
    static SOURCES: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SOURCE));
    static SINKS: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SINK));
    match kind {
        PluginKind::Source => &SOURCES,
        PluginKind::Sink => &SINKS,
        PluginKind::Transform => &[],
    }
}

/// Keys beyond Connect's.
pub fn extensions(kind: PluginKind) -> impl Iterator<Item = &'static Definition> {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(|| EXTENSIONS.iter().map(extension).collect());
    static SINKS: LazyLock<Vec<Definition>> = LazyLock::new(|| SINK_EXTENSIONS.iter().map(extension).collect());
    static SOURCES: LazyLock<Vec<Definition>> = LazyLock::new(|| SOURCE_EXTENSIONS.iter().map(extension).collect());
    let own: &[Definition] = match kind {
        PluginKind::Sink => &SINKS,
        PluginKind::Source => &SOURCES,
        PluginKind::Transform => &[],
    };
    own.iter().chain(ALL.iter())
}

fn extension(row: &Row) -> Definition {
    let mut key = rules(key(row));
    key.extension = true;
    if let Some((_, least)) = AT_LEAST.iter().find(|(name, _)| *name == key.name) {
        key = key.must(Validator::AtLeast(*least));
    }
    key.into()
}

fn definitions(rows: &[Row]) -> Vec<Definition> {
    rows.iter().map(|row| rules(key(row)).into()).collect()
}

fn key(row: &Row) -> ConfigKey {
    let (name, kind, default, importance, group, order, width, display, documentation) = *row;
    let default = match default {
        REQUIRED => Default::Required,
        NULL => Default::Null,
        value => Default::Value(value.into()),
    };
    ConfigKey::new(name, kind, default, importance, documentation).shown(Some(group), order, width, display)
}
