//! Where others depart from the rules of Confluent's registry, and why: Apicurio's registry asks of Protobuf what linters of APIs
//! ask, and in JSON Schema it overlooks what content models cover; Karapace's passes over some keywords and over `required`; AxonOps'
//! knows neither defaults nor the values of maps.

/// The judge, the file of cases, the cases, and the rule that it departs from. At which levels stands in `table.md`.
pub const DIFFERENT: &[(&str, &str, &[&str], &str)] = &[
    ("apicurio", "json", &["string became optional by oneOf"], ALTERNATIVE),
    ("apicurio", "json", &["property of any type added to an open model"], ANYTHING),
    (
        "apicurio",
        "json",
        &[
            "wider property added than additional properties",
            "property added that a pattern covers",
            "property removed that a pattern covers",
        ],
        COVERED,
    ),
    (
        "apicurio",
        "json",
        &["required property with a default added to a closed model", "property with a default became required"],
        DEFAULT,
    ),
    ("apicurio", "json", &["forbidden property removed from a closed model"], FORBIDDEN),
    ("apicurio", "json", &["property removed that a pattern does not cover"], PATTERN),
    ("apicurio", "json-further", &["type to a oneOf with it", "oneOf to one of its types"], ALTERNATIVE),
    ("apicurio", "json-further", &["open: property without a type added"], ANYTHING),
    (
        "apicurio",
        "json-further",
        &["closed: required property with a default added", "property becomes required and has a default"],
        DEFAULT,
    ),
    ("apicurio", "protobuf", &["two fields moved to a oneof", "field moved to the oneof of another"], EXCLUSIVE),
    (
        "apicurio",
        "protobuf",
        &[
            "field added",
            "two fields added",
            "field removed",
            "field of a nested message added",
            "enum constant added",
            "enum constant removed",
            "map added",
            "oneof added",
            "member of a oneof removed and reserved",
            "optional field added",
            "fields added one by one",
            "another kind than two versions back",
        ],
        GONE,
    ),
    ("apicurio", "protobuf", &["member of a oneof added", "member of a oneof removed"], MEMBERS),
    (
        "apicurio",
        "protobuf",
        &[
            "message added",
            "message removed",
            "message with fields removed",
            "nested message added",
            "nested message with fields removed",
        ],
        MESSAGES,
    ),
    ("apicurio", "protobuf", &["field renamed", "field of another number", "enum constant renamed"], NAMES),
    ("apicurio", "protobuf", &["package changed"], PACKAGE),
    ("apicurio", "protobuf", &["string became repeated"], REPEATED),
    ("apicurio", "protobuf", &["optional became required"], REQUIRED),
    ("apicurio", "protobuf", &["field removed and reserved"], RESERVED),
    (
        "apicurio",
        "protobuf",
        &[
            "int32 became int64",
            "string became bytes",
            "sint32 became sint64",
            "fixed32 became sfixed32",
            "uint32 became bool",
            "fixed64 became sfixed64",
            "int32 became an enum",
            "map's value widened",
        ],
        SCALARS,
    ),
    ("apicurio", "protobuf", &["rpc added"], SERVICES),
    ("apicurio", "protobuf-further", &["oneof with a field more", "oneof with a field less", "oneof grows by and by"], MEMBERS),
    (
        "apicurio",
        "protobuf-further",
        &[
            "message added",
            "message removed",
            "message that is used added",
            "nested message removed",
            "nested message added",
            "message comes and goes",
            "two messages added",
        ],
        MESSAGES,
    ),
    (
        "apicurio",
        "protobuf-further",
        &["member moved out of a oneof that stays", "member moved to another oneof", "oneof given up, its members stay"],
        ONEOFS,
    ),
    ("karapace", "json", &["closed model opened for strings"], ADDITIONAL),
    ("karapace", "json", &["property of any type added to an open model"], ANYTHING),
    ("karapace", "json", &["required property with a default added to a closed model"], DEFAULT),
    ("karapace", "json", &["dependency on names extended"], DEPENDENCY),
    (
        "karapace",
        "json",
        &[
            "property became required",
            "property became optional",
            "multipleOf added",
            "multipleOf divided",
            "multipleOf multiplied",
            "multipleOf changed",
            "enum of strings extended",
            "const changed",
            "uniqueItems added",
            "uniqueItems removed",
        ],
        KEYWORD,
    ),
    ("karapace", "json", &["not widened"], NOT),
    ("karapace", "json", &["tuple grew, closed", "tuple shrank, closed"], TUPLE),
    ("karapace", "json", &["property of no type became a string", "items given", "items left out"], UNTYPED),
    ("karapace", "json-further", &["closed to others of a type"], ADDITIONAL),
    ("karapace", "json-further", &["open: property without a type added"], ANYTHING),
    ("karapace", "json-further", &["closed: required property with a default added"], DEFAULT),
    (
        "karapace",
        "json-further",
        &[
            "property becomes required",
            "property is required no more",
            "multiple of a divisor",
            "multiple of a multiple",
            "multiple of another",
            "multiple asked for",
            "multiple let go",
            "enum grows",
            "enum shrinks",
            "enum with another value",
            "items become unique",
            "items are unique no more",
            "objects in an array: property becomes required",
            "enum grows by and by",
            "enum value comes and goes",
            "required, then not, then required",
        ],
        KEYWORD,
    ),
    ("karapace", "json-further", &["not grows wider", "not grows narrower"], NOT),
    ("karapace", "json-further", &["string to any", "any to string"], UNTYPED),
    ("karapace", "protobuf", &["message became another"], NAMED),
    ("karapace", "protobuf", &["field of another number"], NAMES),
    ("karapace", "protobuf", &["field moved to the oneof of another"], ONEOFS),
    ("karapace", "protobuf", &["package changed"], PACKAGE),
    ("karapace", "protobuf", &["required field added", "required field removed", "optional became required"], REQUIRED_FIELDS),
    ("karapace", "protobuf-further", &["field of another message"], NAMED),
    ("karapace", "protobuf-further", &["member moved out of a oneof that stays"], ONEOFS),
    ("karapace", "protobuf-further", &["proto2: required field added", "proto2: required field removed"], REQUIRED_FIELDS),
    ("axonops", "json", &["closed model opened for strings"], ADDITIONAL),
    ("axonops", "json", &["oneOf in another order", "oneOf became anyOf", "allOf extended"], ALTERNATIVE),
    ("axonops", "json", &["property of any type added to an open model"], ANYTHING),
    (
        "axonops",
        "json",
        &["required property with a default added to a closed model", "property with a default became required"],
        DEFAULT,
    ),
    ("axonops", "json", &["dependency on names extended"], DEPENDENCY),
    ("axonops", "json", &["property removed that a pattern does not cover"], PATTERN),
    ("axonops", "json", &["tuple grew, open", "tuple shrank, open", "tuple grew, closed", "tuple shrank, closed"], TUPLE),
    ("axonops", "json", &["property of no type became a string"], UNTYPED),
    ("axonops", "json-further", &["closed to others of a type"], ADDITIONAL),
    ("axonops", "json-further", &["allOf grows"], ALTERNATIVE),
    ("axonops", "json-further", &["open: property without a type added"], ANYTHING),
    (
        "axonops",
        "json-further",
        &["closed: required property with a default added", "property becomes required and has a default"],
        DEFAULT,
    ),
    ("axonops", "json-further", &["string to any", "any to string"], UNTYPED),
    ("axonops", "protobuf", &["map's value of another kind", "map's key of another kind", "map became a message"], MAPS),
    ("axonops", "protobuf", &["message became another"], NAMED),
    ("axonops", "protobuf", &["oneof added", "field moved to a new oneof", "two fields moved to a oneof"], ONEOFS),
    ("axonops", "protobuf-further", &["map's values of another type", "map's keys of another type"], MAPS),
    ("axonops", "protobuf-further", &["field of another message"], NAMED),
    (
        "axonops",
        "protobuf-further",
        &["field moved into a new oneof", "member moved to another oneof", "oneof given up, its members stay"],
        ONEOFS,
    ),
];

/// The file and the case that no other judges as we do, and where the rule is written.
pub const ALONE: &[(&str, &str, &str)] = &[
    ("json", "property of any type added to an open model", EMPTY_SCHEMA),
    ("json", "required property with a default added to a closed model", WITH_DEFAULT),
    ("json-further", "closed: required property with a default added", WITH_DEFAULT),
    ("json-further", "open: property without a type added", EMPTY_SCHEMA),
];

const EMPTY_SCHEMA: &str =
    "confluentinc/schema-registry pull request 1802: an empty schema may be added to an open content model";
const WITH_DEFAULT: &str =
    "confluentinc/schema-registry pull request 4292 tells required properties with a default from those without";

const ADDITIONAL: &str = "what an open model allows beside its properties is more than what a partially open one does";
const ALTERNATIVE: &str = "a schema is read by alternatives that have it";
const ANYTHING: &str = "a property without constraints takes all that an open model had there";
const COVERED: &str = "a property may come and go where patterns or additional properties cover it";
const DEFAULT: &str = "a property that has a default may become required";
const DEPENDENCY: &str = "a property that needs more properties than before narrows";
const EXCLUSIVE: &str = "fields that may stand side by side cannot become members of one oneof";
const FORBIDDEN: &str = "what no data could have is not missed";
const GONE: &str = "a field or constant that is gone need not be reserved, and one that is new does no harm";
const KEYWORD: &str = "every keyword that narrows counts, also where this judge does not compare it";
const MAPS: &str = "keys and values of maps are fields of an entry, and compared as such";
const MEMBERS: &str = "a member may not be removed from a oneof that stays: which one was set is lost";
const MESSAGES: &str = "a message may not be removed, as the wire format names messages";
const NAMED: &str = "the message that a field has is known by its name";
const NAMES: &str = "fields and constants are known by their numbers, and their names may change";
const NOT: &str = "what is forbidden is compared the other way round";
const ONEOFS: &str =
    "a field may move into a new oneof, not into one with other members, nor out of one that stays; a oneof may go as a whole";
const PACKAGE: &str = "the package may not change, as it is part of every name";
const PATTERN: &str = "a property that a pattern takes integers for cannot be declared a string";
const REPEATED: &str = "of strings, bytes and messages written several times the last is read";
const REQUIRED: &str = "a field that is always there is read by a schema that does without";
const REQUIRED_FIELDS: &str = "who requires a field cannot read data without it";
const RESERVED: &str = "what is reserved says nothing of data";
const SCALARS: &str = "scalars that are written alike read each other";
const SERVICES: &str = "services say nothing of data";
const TUPLE: &str = "a list with places is read by its content model, as an object is";
const UNTYPED: &str = "a schema without a type takes every type: it is wider than one with a type";
