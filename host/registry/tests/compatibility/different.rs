//! Where Apicurio's registry departs from the rules of Confluent's, and why: of Protobuf it asks what linters of APIs ask, in JSON
//! Schema it overlooks what content models cover.

/// The format, the case, the levels at which the verdict differs, and why.
pub const DIFFERENT: &[(&str, &str, &[&str], &str)] = &[
    ("protobuf", "field added", FORWARD, GONE),
    ("protobuf", "two fields added", FORWARD, GONE),
    ("protobuf", "field removed and reserved", ALL, RESERVED),
    ("protobuf", "field removed", BACKWARD, GONE),
    ("protobuf", "field renamed", ALL, NAMES),
    ("protobuf", "field of another number", ALL, NAMES),
    ("protobuf", "int32 became int64", ALL, SCALARS),
    ("protobuf", "string became bytes", ALL, SCALARS),
    ("protobuf", "sint32 became sint64", ALL, SCALARS),
    ("protobuf", "fixed32 became sfixed32", ALL, SCALARS),
    ("protobuf", "uint32 became bool", ALL, SCALARS),
    ("protobuf", "fixed64 became sfixed64", ALL, SCALARS),
    ("protobuf", "int32 became an enum", ALL, SCALARS),
    ("protobuf", "string became repeated", ALL, REPEATED),
    ("protobuf", "message added", FULL, MESSAGES),
    ("protobuf", "message removed", BACKWARD_AND_FULL, MESSAGES),
    ("protobuf", "message with fields removed", FULL, MESSAGES),
    ("protobuf", "nested message added", FULL, MESSAGES),
    ("protobuf", "nested message with fields removed", FULL, MESSAGES),
    ("protobuf", "field of a nested message added", FORWARD, GONE),
    ("protobuf", "enum constant added", FORWARD, GONE),
    ("protobuf", "enum constant removed", BACKWARD, GONE),
    ("protobuf", "enum constant renamed", ALL, NAMES),
    ("protobuf", "map's value widened", ALL, SCALARS),
    ("protobuf", "map added", FORWARD, GONE),
    ("protobuf", "oneof added", FORWARD, GONE),
    ("protobuf", "member of a oneof added", FULL, MEMBERS),
    ("protobuf", "member of a oneof removed", FULL, MEMBERS),
    ("protobuf", "member of a oneof removed and reserved", FORWARD, GONE),
    ("protobuf", "two fields moved to a oneof", BACKWARD_AND_FULL, EXCLUSIVE),
    ("protobuf", "field moved to the oneof of another", BACKWARD_AND_FULL, EXCLUSIVE),
    ("protobuf", "package changed", ALL, PACKAGE),
    ("protobuf", "optional field added", FORWARD, GONE),
    ("protobuf", "optional became required", FORWARD, REQUIRED),
    ("protobuf", "rpc added", FORWARD, SERVICES),
    ("protobuf", "fields added one by one", FORWARD, GONE),
    ("protobuf", "another kind than two versions back", FORWARD_ONLY, GONE),
    ("json", "property of any type added to an open model", BACKWARD_AND_FULL, ANYTHING),
    ("json", "required property with a default added to a closed model", BACKWARD, DEFAULT),
    ("json", "forbidden property removed from a closed model", BACKWARD_AND_FULL, FORBIDDEN),
    ("json", "wider property added than additional properties", BACKWARD, COVERED),
    ("json", "property added that a pattern covers", FORWARD_AND_FULL, COVERED),
    ("json", "property removed that a pattern covers", BACKWARD_AND_FULL, COVERED),
    ("json", "property removed that a pattern does not cover", FORWARD, PATTERN),
    ("json", "property with a default became required", BACKWARD_AND_FULL, DEFAULT),
    ("json", "string became optional by oneOf", BACKWARD, ALTERNATIVE),
    ("protobuf-further", "message added", FULL, MESSAGES),
    ("protobuf-further", "message removed", FULL, MESSAGES),
    ("protobuf-further", "message that is used added", FULL, MESSAGES),
    ("protobuf-further", "nested message removed", FULL, MESSAGES),
    ("protobuf-further", "nested message added", FULL, MESSAGES),
    ("protobuf-further", "oneof with a field more", FULL, MEMBERS),
    ("protobuf-further", "oneof with a field less", FULL, MEMBERS),
    ("protobuf-further", "message comes and goes", FULL, MESSAGES),
    ("protobuf-further", "oneof grows by and by", FULL, MEMBERS),
    ("protobuf-further", "two messages added", FULL, MESSAGES),
    ("json-further", "closed: required property with a default added", BACKWARD, DEFAULT),
    ("json-further", "property becomes required and has a default", BACKWARD_AND_FULL, DEFAULT),
    ("json-further", "open: property without a type added", BACKWARD_AND_FULL, ANYTHING),
    ("json-further", "type to a oneOf with it", BACKWARD, ALTERNATIVE),
    ("json-further", "oneOf to one of its types", FORWARD, ALTERNATIVE),
];

const BACKWARD: &[&str] = &["BACKWARD", "BACKWARD_TRANSITIVE"];
const FORWARD: &[&str] = &["FORWARD", "FORWARD_TRANSITIVE"];
const FULL: &[&str] = &["FULL", "FULL_TRANSITIVE"];
const BACKWARD_AND_FULL: &[&str] = &["BACKWARD", "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];
const FORWARD_AND_FULL: &[&str] = &["FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];
const ALL: &[&str] = &["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];
const FORWARD_ONLY: &[&str] = &["FORWARD"];

const GONE: &str = "a field or constant that is gone need not be reserved, and one that is new does no harm";
const RESERVED: &str = "what is reserved says nothing of data";
const NAMES: &str = "fields and constants are known by their numbers, and their names may change";
const SCALARS: &str = "scalars that are written alike read each other";
const REPEATED: &str = "of strings, bytes and messages written several times the last is read";
const MESSAGES: &str = "a message may not be removed, as the wire format names messages";
const MEMBERS: &str = "a member may not be removed from a oneof that stays: which one was set is lost";
const EXCLUSIVE: &str = "fields that may stand side by side cannot become members of one oneof";
const PACKAGE: &str = "the package may not change, as it is part of every name";
const REQUIRED: &str = "a field that is always there is read by a schema that does without";
const SERVICES: &str = "services say nothing of data";
const ANYTHING: &str = "a property without constraints takes all that an open model had there";
const DEFAULT: &str = "a property that has a default may become required";
const FORBIDDEN: &str = "what no data could have is not missed";
const COVERED: &str = "a property may come and go where patterns or additional properties cover it";
const PATTERN: &str = "a property that a pattern takes integers for cannot be declared a string";
const ALTERNATIVE: &str = "a schema is read by alternatives that have it";
