//! The options of `JsonSchemaConverter` that say how Connect's data and JSON stand for each other, and the names they share.

use millrace_record::{Kind, Schema};

use super::super::Settings;
pub(super) use super::super::{GENERALIZED_ENUM, GENERALIZED_UNION};

/// Confluent's `JsonSchemaDataConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// `generalized.sum.type.support`
    pub generalized: bool,
    /// `ignore.default.for.nullables`
    pub ignore_default: bool,
    /// `object.additional.properties`
    pub additional_properties: bool,
    /// `use.optional.for.nonrequired`
    pub optional_nonrequired: bool,
    /// `decimal.format=NUMERIC`
    pub numeric: bool,
    /// `flatten.singleton.unions`
    pub flatten_singletons: bool,
    /// `json.fail.invalid.schema`
    pub validate: bool,
}

impl Options {
    pub fn new(settings: &Settings<'_>) -> Result<Self, String> {
        let numeric = settings.one_of("decimal.format", ["BASE64", "NUMERIC"])? == "NUMERIC";
        let preserve = "preserve.additional.properties";
        if settings.boolean(preserve, false)? {
            let remedy = "properties that the schema does not name are left out: leave it false";
            return Err(settings.wrong(preserve, "true", remedy));
        }
        Ok(Options {
            generalized: settings.boolean("generalized.sum.type.support", false)?,
            ignore_default: settings.boolean("ignore.default.for.nullables", false)?,
            additional_properties: settings.boolean("object.additional.properties", true)?,
            optional_nonrequired: settings.boolean("use.optional.for.nonrequired", false)?,
            numeric,
            flatten_singletons: settings.boolean("flatten.singleton.unions", true)?,
            validate: settings.boolean("json.fail.invalid.schema", false)?,
        })
    }

    /// The parameter that marks an enum, and stands before each of its symbols.
    pub fn enum_parameter(&self) -> &'static str {
        if self.generalized { GENERALIZED_ENUM } else { ENUM }
    }
}

pub(super) const NAMESPACE: &str = "io.confluent.connect.json";
pub(super) const ENUM: &str = "io.confluent.connect.json.Enum";
pub(super) const ONE_OF: &str = "io.confluent.connect.json.OneOf";
/// Of a generalized union's name, with a number behind it; and of its fields, with `field_` and a number.
pub(super) const UNION_PREFIX: &str = "connect_union_";
/// What stands for null among the symbols of an enum.
pub(super) const NULL_SYMBOL: &str = "<NULL>";
/// The members of a map's entry, where its keys are no strings.
pub(super) const KEY: &str = "key";
pub(super) const VALUE: &str = "value";

/// Whether a struct stands for one of several types.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.kind == Kind::Struct && (schema.name.as_deref() == Some(ONE_OF) || schema.parameter(GENERALIZED_UNION).is_some())
}

/// Whether a map is a JSON object; else it is a list of its entries.
pub(super) fn is_object(key: Option<&Schema>) -> bool {
    key.is_some_and(|key| key.kind == Kind::Text && !key.optional)
}
