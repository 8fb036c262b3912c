//! How Connect's schemas are written as Avro's and read from them: `AvroData`'s options.

use crate::convert::Settings;

#[derive(Debug, Clone)]
pub(super) struct Options {
    /// `connect.meta.data`: properties keep what Avro has no place for.
    pub meta_data: bool,
    /// `enhanced.avro.schema.support`: enums are written as enums, and union fields have full names.
    pub enhanced: bool,
    /// `generalized.sum.type.support`: enums and unions as all formats of the registry have them.
    pub generalized: bool,
    /// `scrub.invalid.names`.
    pub scrub: bool,
    /// `allow.optional.map.keys`: a map of optional string keys is a map all the same.
    pub optional_map_keys: bool,
    /// `flatten.singleton.unions`.
    pub flatten_singletons: bool,
    /// `ignore.default.for.nullables`: null stays null where there is a default.
    pub keep_null: bool,
}

impl Options {
    pub fn new(settings: &Settings<'_>) -> Result<Self, String> {
        // The shorter name is that of earlier drafts.
        let flatten = settings.boolean("flatten.unions", true)?;
        Ok(Options {
            meta_data: settings.boolean("connect.meta.data", true)?,
            enhanced: settings.boolean("enhanced.avro.schema.support", false)?,
            generalized: settings.boolean("generalized.sum.type.support", false)?,
            scrub: settings.boolean("scrub.invalid.names", false)?,
            optional_map_keys: settings.boolean("allow.optional.map.keys", false)?,
            flatten_singletons: settings.boolean("flatten.singleton.unions", flatten)?,
            keep_null: settings.boolean("ignore.default.for.nullables", false)?,
        })
    }
}
