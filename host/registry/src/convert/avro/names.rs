//! Names of Connect as Avro allows them, and the names that the converter itself gives.

use millrace_record::{Kind, Schema};

use super::options::Options;
use crate::avro;
pub(super) use crate::convert::{GENERALIZED_ENUM as ANY_ENUM, GENERALIZED_UNION as ANY_UNION};

pub(super) const NAMESPACE: &str = "io.confluent.connect.avro";
pub(super) const DEFAULT_NAME: &str = "ConnectDefault";
pub(super) const MAP_ENTRY: &str = "MapEntry";
pub(super) const UNION: &str = "io.confluent.connect.avro.Union";
pub(super) const ENUM: &str = "io.confluent.connect.avro.Enum";
pub(super) const ANYTHING: &str = "io.confluent.connect.avro.Anything";
pub(super) const ANY_UNION_NAME: &str = "connect_union_";
pub(super) const ANY_UNION_FIELD: &str = "connect_union_field_";
pub(super) const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
pub(super) const ENUM_DOC: &str = "io.confluent.connect.avro.enum.doc.";
pub(super) const ENUM_DEFAULT: &str = "io.confluent.connect.avro.enum.default.";
pub(super) const FIELD_DOC: &str = "io.confluent.connect.avro.field.doc.";
pub(super) const FIELD_DEFAULT: &str = "io.confluent.connect.avro.field.default";
pub(super) const FIXED_SIZE: &str = "connect.fixed.size";
pub(super) const PRECISION: &str = "connect.decimal.precision";
pub(super) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
pub(super) const DATE: &str = "org.apache.kafka.connect.data.Date";
pub(super) const TIME: &str = "org.apache.kafka.connect.data.Time";
pub(super) const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// Under which schemaless values stand where every field has a type.
pub(super) const JSON: &str = "io.debezium.data.Json";
/// The precision that is not written as a parameter.
pub(super) const DEFAULT_PRECISION: i64 = 64;

pub(super) fn is_union(schema: &Schema) -> bool {
    schema.kind == Kind::Struct && (schema.name.as_deref() == Some(UNION) || schema.parameter(ANY_UNION).is_some())
}

pub(super) fn is_fixed(schema: &Schema) -> bool {
    schema.kind == Kind::Bytes && schema.name.is_some() && schema.parameter(FIXED_SIZE).is_some()
}

/// The full name of the enum that a string is, where enums are written as such.
pub(super) fn enum_name<'s>(schema: &'s Schema, options: &Options) -> Option<&'s str> {
    if schema.kind != Kind::Text || !(options.generalized || options.enhanced) {
        return None;
    }
    schema.parameter(if options.generalized { ANY_ENUM } else { ENUM })
}

/// Whether a map is written as Avro's; any other is a list of entries.
pub(super) fn is_avro_map(schema: &Schema, options: &Options) -> bool {
    schema.key.as_ref().is_some_and(|k| k.kind == Kind::Text && (!k.optional || options.optional_map_keys))
}

/// A name without what Avro does not allow in one: as in a URL, with `_` for every sign.
pub(super) fn scrub(name: &str, options: &Options) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let digit_first = name.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if !options.scrub || (name.bytes().all(allowed) && !digit_first) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 8);
    if digit_first {
        out.push('x');
    }
    for b in name.bytes() {
        match b {
            b if allowed(b) => out.push(b as char),
            // What a URL's form encoding leaves as it is, or writes as one plus sign.
            b'.' | b'-' | b'*' | b' ' => out.push('_'),
            b => out.push_str(&format!("_{b:02X}")),
        }
    }
    out
}

/// A full name, each part of it scrubbed.
pub(super) fn scrub_full(name: &str, options: &Options) -> String {
    if !options.scrub {
        return name.to_owned();
    }
    name.split('.').map(|part| scrub(part, options)).collect::<Vec<_>>().join(".")
}

/// The field of a union's struct that stands for a branch.
pub(super) fn union_field(kind: &avro::Kind, index: usize, options: &Options) -> String {
    if options.generalized {
        return format!("{ANY_UNION_FIELD}{index}");
    }
    match kind.name() {
        Some(name) if options.enhanced => name.full().to_owned(),
        Some(name) => scrub(name.simple(), options),
        None => kind.word().to_owned(),
    }
}

/// Whether a node is the record that stands for an entry of a map.
pub(super) fn is_entry(node: &avro::Node) -> bool {
    let avro::Kind::Record(record) = &node.kind else { return false };
    let internal = node.props.get("connect.internal.type").and_then(|v| v.as_str());
    (record.name.namespace() == Some(NAMESPACE) && record.name.simple() == MAP_ENTRY) || internal == Some(MAP_ENTRY)
}

#[cfg(test)]
mod tests {
    use millrace_record::RawConfig;

    use super::*;
    use crate::convert::Settings;

    #[test]
    fn names_are_scrubbed_as_in_a_url() {
        let config = RawConfig::from([("scrub.invalid.names".to_owned(), "true".to_owned())]);
        let options = Options::new(&Settings::without_empty(&config)).unwrap();
        for (name, scrubbed) in
            [("a_B9", "a_B9"), ("9a", "x9a"), ("a-b", "a_b"), ("a b", "a_b"), ("a/b", "a_2Fb"), ("ä", "_C3_A4"), ("", "")]
        {
            assert_eq!(scrub(name, &options), scrubbed);
        }
        assert_eq!(scrub_full("my-db.1t.Value", &options), "my_db.x1t.Value");
    }
}
