//! The converters that are built in: class names, what each is for, and its options as Connect lists them.

use super::registry_options;
use crate::config::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Validator, Width};

/// A built-in converter class.
#[derive(Debug)]
pub struct BuiltIn {
    /// Fully qualified.
    pub class: &'static str,
    /// Usable as `key.converter` and `value.converter`, and listed as `converter`.
    pub converter: bool,
    /// Usable as `header.converter`, and listed as `header_converter`.
    pub header: bool,
    /// The name without its kind: `Json`, `Simple`.
    pub alias: &'static str,
    options: fn() -> Vec<ConfigKey>,
}

/// All of them, sorted by class.
pub static BUILT_IN: &[BuiltIn] = &[
    BuiltIn { header: false, ..of("io.confluent.connect.avro.AvroConverter", "Avro", avro_options) },
    BuiltIn { header: false, ..of("io.confluent.connect.json.JsonSchemaConverter", "JsonSchema", json_schema_options) },
    BuiltIn { header: false, ..of("io.confluent.connect.protobuf.ProtobufConverter", "Protobuf", protobuf_options) },
    of("org.apache.kafka.connect.converters.BooleanConverter", "Boolean", common_options),
    of("org.apache.kafka.connect.converters.ByteArrayConverter", "ByteArray", common_options),
    of("org.apache.kafka.connect.converters.DoubleConverter", "Double", common_options),
    of("org.apache.kafka.connect.converters.FloatConverter", "Float", common_options),
    of("org.apache.kafka.connect.converters.IntegerConverter", "Integer", common_options),
    of("org.apache.kafka.connect.converters.LongConverter", "Long", common_options),
    of("org.apache.kafka.connect.converters.ShortConverter", "Short", common_options),
    of("org.apache.kafka.connect.json.JsonConverter", "Json", json_options),
    BuiltIn { converter: false, ..of(SIMPLE_HEADER_CONVERTER, "Simple", Vec::new) },
    of("org.apache.kafka.connect.storage.StringConverter", "String", string_options),
];

/// Class name of the header converter that is not a converter of keys and values too: the default `header.converter`.
pub const SIMPLE_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

const fn of(class: &'static str, alias: &'static str, options: fn() -> Vec<ConfigKey>) -> BuiltIn {
    BuiltIn { class, converter: true, header: true, alias, options }
}

impl BuiltIn {
    /// The converter that a setting names: by its full class name, its simple one or its alias, case counting.
    pub fn find(name: &str) -> Option<&'static BuiltIn> {
        BUILT_IN.iter().find(|b| b.class == name || b.simple() == name || b.alias == name)
    }

    /// The class name without its package.
    pub fn simple(&self) -> &'static str {
        self.class.rsplit('.').next().unwrap_or(self.class)
    }

    /// Its options, without the prefix of the setting that names it.
    pub fn config(&self) -> ConfigDef {
        ConfigDef { keys: (self.options)() }
    }
}

fn key(name: &str, kind: ConfigType, default: Default, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind, default, importance, documentation)
}

fn shown(key: ConfigKey, group: Option<&str>, order: u32, display_name: &str) -> ConfigKey {
    key.shown(group, order, Width::Medium, display_name)
}

fn value(text: &str) -> Default {
    Default::Value(text.into())
}

/// What every converter of keys and values has; the worker sets it, whatever is given.
fn common_options() -> Vec<ConfigKey> {
    let role = key(
        "converter.type",
        ConfigType::String,
        Default::Required,
        Importance::Low,
        "What the converter is used for. The worker sets it.",
    );
    vec![ConfigKey { allowed: ["key", "value", "header"].map(Into::into).into(), ..role }]
}

fn json_schema_options() -> Vec<ConfigKey> {
    let mut keys = common_options();
    keys.extend(registry_options::common());
    keys.extend(registry_options::json_schema());
    keys
}

fn protobuf_options() -> Vec<ConfigKey> {
    let mut keys = common_options();
    keys.extend(registry_options::common());
    keys.extend(registry_options::protobuf());
    keys
}

fn avro_options() -> Vec<ConfigKey> {
    let mut keys = common_options();
    keys.extend(registry_options::common());
    keys.extend(registry_options::avro());
    keys
}

fn string_options() -> Vec<ConfigKey> {
    let encoding = key(
        "converter.encoding",
        ConfigType::String,
        value("UTF-8"),
        Importance::High,
        "The character set of the bytes, by its Java name: UTF-8, UTF-16, UTF-16BE, UTF-16LE, UTF-32, UTF-32BE, UTF-32LE, \
         ISO-8859-1 or US-ASCII.",
    );
    let mut keys = common_options();
    keys.push(shown(encoding, None, 0, "Encoding"));
    keys
}

fn json_options() -> Vec<ConfigKey> {
    use ConfigType::{Boolean, Int, String};
    use Importance::{High, Low};
    let (schemas, form) = (Some("Schemas"), Some("Serialization"));
    let enable = "Whether a key or value stands in an envelope together with its schema.";
    let cache = "How many schemas the converter remembers.";
    let content = "A schema, as JSON, for every key or value that a sink reads, in place of the envelope's. It counts only when \
                   schemas.enable is true.";
    let decimal =
        "How decimals are written: BASE64, the bytes of the unscaled value, or NUMERIC, a number. Case does not matter.";
    let replace = "Whether a field that is null and has a default takes the default.";
    let format = key("decimal.format", String, value("BASE64"), Low, decimal);
    let mut keys = common_options();
    keys.extend([
        shown(key("schemas.enable", Boolean, value("true"), High, enable), schemas, 0, "Enable Schemas"),
        shown(key("schemas.cache.size", Int, value("1000"), High, cache), schemas, 1, "Schema Cache Size"),
        shown(key("schema.content", String, Default::Null, High, content), schemas, 2, "Schema Content"),
        shown(format, form, 0, "Decimal Format").must(Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"])),
        shown(key("replace.null.with.default", Boolean, value("true"), Low, replace), form, 1, "Replace null with default"),
    ]);
    keys
}
