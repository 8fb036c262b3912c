//! The options of converters that work with a Schema Registry.

use crate::config::ConfigType::{Boolean, Int, List, Password, String};
use crate::config::Importance::{High, Low, Medium};
use crate::config::{ConfigKey, ConfigType, Default, Importance, Validator, Width};

fn key(name: &str, kind: ConfigType, default: &str, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind, Default::Value(default.into()), importance, documentation)
}

fn unset(name: &str, kind: ConfigType, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind, Default::Null, importance, documentation)
}

fn shown(keys: Vec<ConfigKey>, group: &str) -> impl Iterator<Item = ConfigKey> {
    let show = |(i, key): (usize, ConfigKey)| {
        let name = key.name.clone();
        key.shown(Some(group), i as u32, Width::Medium, &name)
    };
    keys.into_iter().enumerate().map(show).collect::<Vec<_>>().into_iter()
}

/// What all of them share.
pub(super) fn common() -> Vec<ConfigKey> {
    const TOPIC: &str = "io.confluent.kafka.serializers.subject.TopicNameStrategy";
    let strategy = "How the subject of a schema is named: TopicNameStrategy (the topic with -key or -value), RecordNameStrategy \
                    (the record's full name) or TopicRecordNameStrategy (both), of io.confluent.kafka.serializers.subject.";
    let registry = vec![
        unset(
            "schema.registry.url",
            List,
            High,
            "Where the registry is; several URLs are tried in turn. Without it the worker's schema.registry.url, else the \
             registry within the worker.",
        ),
        unset(
            "basic.auth.credentials.source",
            String,
            Medium,
            "Where user and password come from: URL, USER_INFO or SASL_INHERIT.",
        ),
        key("basic.auth.user.info", Password, "", Medium, "User and password, as user:password."),
        unset(
            "bearer.auth.credentials.source",
            String,
            Medium,
            "Where a bearer token comes from: STATIC_TOKEN, or OAUTHBEARER for the grant of client credentials.",
        ),
        key("bearer.auth.token", Password, "", Medium, "The bearer token."),
        unset("bearer.auth.issuer.endpoint.url", String, Medium, "Who gives tokens, with OAUTHBEARER: the token endpoint."),
        unset("bearer.auth.client.id", String, Medium, "Who asks for a token."),
        unset("bearer.auth.client.secret", Password, Medium, "The secret of who asks for a token."),
        unset("bearer.auth.scope", String, Medium, "What the token is asked to be for."),
        key("bearer.auth.cache.expiry.buffer.seconds", Int, "300", Low, "How long before its end a token is no longer used."),
        unset("bearer.auth.logical.cluster", String, Low, "The registry's logical cluster, in the header target-sr-cluster."),
        unset("bearer.auth.identity.pool.id", String, Low, "The identity pool, in the header Confluent-Identity-Pool-Id."),
        key("http.connect.timeout.ms", Int, "10000", Low, "How long a connection to the registry may take."),
        key("http.read.timeout.ms", Int, "30000", Low, "How long the registry may take to answer."),
        key("proxy.host", String, "", Low, "The host of a proxy on the way to the registry."),
        key("proxy.port", Int, "-1", Low, "The port of that proxy."),
        unset("schema.registry.ssl.truststore.location", String, Medium, "A file of the certificates to trust, in PEM."),
        unset("schema.registry.ssl.keystore.location", String, Medium, "A file of the client's certificate and key, in PEM."),
        key("max.schemas.per.subject", Int, "1000", Low, "How many schemas of one subject are remembered."),
        key(
            "latest.cache.ttl.sec",
            Int,
            "-1",
            Low,
            "How long the latest version of a subject counts as the latest; -1: for good.",
        ),
    ];
    let schemas = vec![
        key("auto.register.schemas", Boolean, "true", Medium, "Whether schemas that the registry does not have are registered."),
        key(
            "use.latest.version",
            Boolean,
            "false",
            Medium,
            "Whether records are written by the latest version of the subject; it \
             counts where auto.register.schemas is false.",
        ),
        key("latest.compatibility.strict", Boolean, "true", Low, "Whether that version must be able to read what is written."),
        key(
            "use.schema.id",
            Int,
            "-1",
            Low,
            "The id of the schema to write records by; it counts where auto.register.schemas is false.",
        ),
        key(
            "id.compatibility.strict",
            Boolean,
            "true",
            Low,
            "Whether the schema of that id must be able to read what is written.",
        ),
        key("normalize.schemas", Boolean, "false", Medium, "Whether schemas that differ in order alone are the same."),
        key("key.subject.name.strategy", String, TOPIC, Medium, strategy),
        key("value.subject.name.strategy", String, TOPIC, Medium, strategy),
    ];
    shown(registry, "Registry").chain(shown(schemas, "Schemas")).collect()
}

fn flag(name: &str, default: bool, importance: Importance, documentation: &str) -> ConfigKey {
    key(name, Boolean, if default { "true" } else { "false" }, importance, documentation)
}

/// `generalized.sum.type.support`; `unions`: what the format calls them.
fn generalized(unions: &str) -> ConfigKey {
    let what = format!("Whether enums and {unions} are such that other formats read them.");
    flag("generalized.sum.type.support", false, Medium, &what)
}

/// `scrub.invalid.names`
fn scrub(format: &str) -> ConfigKey {
    let what = format!("Whether names that {format} does not allow are changed to such as it does.");
    flag("scrub.invalid.names", false, Medium, &what)
}

/// `flatten.singleton.unions`; `of`: what a union of one is, and what that is read as.
fn flatten_singletons(of: &str) -> ConfigKey {
    flag("flatten.singleton.unions", true, Low, &format!("Whether {of}."))
}

/// What the mappings of all formats share, behind their own.
fn mapping(own: Vec<ConfigKey>, group: &str) -> Vec<ConfigKey> {
    let shared = [
        flag("ignore.default.for.nullables", false, Medium, "Whether null stays null where the field has a default."),
        key("schemas.cache.config", Int, "1000", Low, "How many compiled schemas are kept."),
    ];
    shown(own.into_iter().chain(shared).collect(), group).collect()
}

/// Those of Avro.
pub(super) fn avro() -> Vec<ConfigKey> {
    let enhanced = "Whether enums stay enums, and the fields of unions have the full names of their types.";
    let own = vec![
        flag("enhanced.avro.schema.support", false, Medium, enhanced),
        generalized("unions"),
        flag("connect.meta.data", true, Low, "Whether properties of the Avro schema keep what Avro has no place for."),
        scrub("Avro"),
        flag("allow.optional.map.keys", false, Low, "Whether a map whose string keys are optional is a map in Avro."),
        flatten_singletons("a union of one type is read as that type"),
    ];
    mapping(own, "Avro")
}

/// Those of JSON Schema.
pub(super) fn json_schema() -> Vec<ConfigKey> {
    let decimal =
        "How decimals are written: BASE64, the bytes of the unscaled value, or NUMERIC, a number. Case does not matter.";
    let validate = "Whether what does not match its schema, pattern and minimum included, is an error of its record.";
    let own = vec![
        flag("json.fail.invalid.schema", false, Medium, validate),
        key("decimal.format", String, "BASE64", Low, decimal).must(Validator::OneOfIgnoringCase(&["BASE64", "NUMERIC"])),
        flag("object.additional.properties", true, Medium, "Whether registered objects allow further properties."),
        flag("use.optional.for.nonrequired", false, Medium, "Whether properties that are not required are optional fields."),
        generalized("unions"),
        flatten_singletons("a oneOf of one schema is read as that schema"),
    ];
    mapping(own, "JSON Schema")
}

/// Those of Protobuf.
pub(super) fn protobuf() -> Vec<ConfigKey> {
    let optional = "Whether fields that may be null say optional, and only those may be.";
    let own = vec![
        flag("enhanced.protobuf.schema.support", false, Medium, "Whether schemas are named with their package."),
        scrub("Protobuf"),
        flag("int.for.enums", false, Medium, "Whether enums are read as their numbers."),
        flag("optional.for.nullables", false, Medium, optional),
        flag("optional.for.proto2", true, Medium, "Whether an optional field of proto2 that is not there is null."),
        flag("wrapper.for.nullables", false, Medium, "Whether fields that may be null are wrappers."),
        flag("wrapper.for.raw.primitives", true, Medium, "Whether a wrapper is read as what it wraps."),
        flag("generate.struct.for.nulls", false, Medium, "Whether a message that is not there is read as one of defaults."),
        flag("generate.index.for.unions", true, Low, "Whether the struct of a oneof has its index in its name."),
        flag("flatten.unions", false, Low, "Whether fields of a oneof stand beside the others."),
        generalized("oneofs"),
    ];
    mapping(own, "Protobuf")
}
