//! The options of `ProtobufConverter` that say how Connect's data and Protobuf's stand for each other.

use super::super::Settings;
pub(super) use super::super::{GENERALIZED_ENUM, GENERALIZED_UNION};

/// Confluent's `ProtobufDataConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// `generalized.sum.type.support`
    pub generalized: bool,
    /// `ignore.default.for.nullables`
    pub ignore_default: bool,
    /// `enhanced.protobuf.schema.support`
    pub enhanced: bool,
    /// `scrub.invalid.names`
    pub scrub: bool,
    /// `int.for.enums`
    pub int_enums: bool,
    /// `optional.for.nullables`
    pub optional_nullables: bool,
    /// `optional.for.proto2`
    pub optional_proto2: bool,
    /// `wrapper.for.nullables`
    pub wrapper_nullables: bool,
    /// `wrapper.for.raw.primitives`
    pub raw_wrappers: bool,
    /// `generate.struct.for.nulls`
    pub struct_nulls: bool,
    /// `generate.index.for.unions`
    pub union_index: bool,
    /// `flatten.unions`
    pub flatten_unions: bool,
}

impl Options {
    pub fn new(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Options {
            generalized: settings.boolean("generalized.sum.type.support", false)?,
            ignore_default: settings.boolean("ignore.default.for.nullables", false)?,
            enhanced: settings.boolean("enhanced.protobuf.schema.support", false)?,
            scrub: settings.boolean("scrub.invalid.names", false)?,
            int_enums: settings.boolean("int.for.enums", false)?,
            optional_nullables: settings.boolean("optional.for.nullables", false)?,
            optional_proto2: settings.boolean("optional.for.proto2", true)?,
            wrapper_nullables: settings.boolean("wrapper.for.nullables", false)?,
            raw_wrappers: settings.boolean("wrapper.for.raw.primitives", true)?,
            struct_nulls: settings.boolean("generate.struct.for.nulls", false)?,
            union_index: settings.boolean("generate.index.for.unions", true)?,
            flatten_unions: settings.boolean("flatten.unions", false)?,
        })
    }

    /// The parameter that names an enum, and before each of its symbols.
    pub fn enum_parameter(&self) -> &'static str {
        if self.generalized { GENERALIZED_ENUM } else { ENUM }
    }

    /// A field's name in Protobuf.
    pub fn name<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        if self.scrub { super::names::scrubbed(name) } else { name.into() }
    }
}

/// Parameters of Connect's schemas that carry what only Protobuf knows.
pub(super) const ENUM: &str = "io.confluent.connect.protobuf.Enum";
pub(super) const UNION_PREFIX: &str = "io.confluent.connect.protobuf.Union";
/// A field's number.
pub(super) const TAG: &str = "io.confluent.connect.protobuf.Tag";
/// A number's type where Connect's is wider: `uint32`.
pub(super) const TYPE: &str = "io.confluent.connect.protobuf.Type";
/// A member of a oneof that is a wrapper, not the bare scalar.
pub(super) const WRAPPER: &str = "io.confluent.connect.protobuf.Wrapper";
pub(super) const PRECISION: &str = "connect.decimal.precision";

pub(super) const DECIMAL_TYPE: &str = "confluent.type.Decimal";
pub(super) const DATE_TYPE: &str = "google.type.Date";
pub(super) const TIME_TYPE: &str = "google.type.TimeOfDay";
pub(super) const TIMESTAMP_TYPE: &str = "google.protobuf.Timestamp";

/// Whether a struct stands for a oneof.
pub(super) fn is_union(schema: &millrace_record::Schema) -> bool {
    schema.kind == millrace_record::Kind::Struct
        && (schema.name.as_deref().is_some_and(|n| n.starts_with(UNION_PREFIX)) || schema.parameter(GENERALIZED_UNION).is_some())
}
