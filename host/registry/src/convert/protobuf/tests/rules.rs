//! One rule of the mapping each.

use super::*;

/// What `proto` becomes in Connect, as `JsonConverter` writes schemas, without what every field has.
fn schema_of(options: &[(&str, &str)], proto: &str) -> Arc<Schema> {
    let rig = Rig::new(options);
    let (id, _) = rig.read(proto, &[0], &[]).unwrap_or_else(|e| panic!("{e}"));
    rig.schemas.get(id).expect("interned")
}

fn proto3(body: &str) -> String {
    format!("syntax = \"proto3\";\npackage shop;\n{body}\n")
}

/// What Connect's data, as `JsonConverter` has it, is registered as.
fn registered(options: &[(&str, &str)], envelope: &str) -> String {
    let rig = Rig::new(options);
    let (schema, row) = rig.row(envelope);
    rig.write(schema, &row).unwrap_or_else(|e| panic!("{e}")).0.to_string()
}

fn describe(schema: &Schema) -> String {
    let fields: Vec<_> = schema
        .fields
        .iter()
        .map(|f| format!("{}:{:?}{}", f.name, f.schema.kind, if f.schema.optional { "?" } else { "" }))
        .collect();
    format!("{} {}", schema.name.as_deref().unwrap_or("-"), fields.join(" "))
}

#[test]
fn oneofs_come_first_and_are_structs() {
    let proto = proto3("message A { int32 a = 1; oneof pick { string x = 2; bytes y = 3; } string z = 4; }");
    assert_eq!(describe(&schema_of(&[], &proto)), "A pick_0:Struct? a:Int32? z:Text?");
    let plain = &[("generate.index.for.unions", "false"), ("enhanced.protobuf.schema.support", "true")];
    let schema = schema_of(plain, &proto);
    assert_eq!(describe(&schema), "shop.A pick:Struct? a:Int32? z:Text?");
    let union = &schema.fields[0].schema;
    assert_eq!(describe(union), "io.confluent.connect.protobuf.Union.shop.A.pick x:Text? y:Bytes?");
    let flat = schema_of(&[("flatten.unions", "true")], &proto);
    assert_eq!(describe(&flat), "A x:Text? y:Bytes? a:Int32? z:Text?");
    let general = schema_of(&[("generalized.sum.type.support", "true")], &proto);
    let union = &general.fields[0].schema;
    assert_eq!(union.parameter(options::GENERALIZED_UNION), Some("pick"));
}

#[test]
fn of_a_oneof_the_last_in_the_bytes_counts() {
    let proto =
        proto3("message A { oneof pick { string x = 1; int32 y = 2; B z = 3; } } message B { string n = 1; int32 m = 2; }");
    let check = |options: &[(&str, &str)], bytes: &[u8], expected: &str| {
        let rig = Rig::new(options);
        let (schema, row) = rig.read(&proto, &[0], bytes).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rig.json(schema, &row), expected);
    };
    let none = r#"{"pick_0":null}"#;
    check(&[], b"", none);
    check(&[], &[0x0a, 1, b'a', 0x10, 0], r#"{"pick_0":{"x":null,"y":0,"z":null}}"#);
    check(&[], &[0x10, 5, 0x0a, 1, b'a'], r#"{"pick_0":{"x":"a","y":null,"z":null}}"#);
    // A message that stands there twice is both in one, unless another was between.
    check(&[], &[0x1a, 3, 0x0a, 1, b'n', 0x1a, 2, 0x10, 7], r#"{"pick_0":{"x":null,"y":null,"z":{"n":"n","m":7}}}"#);
    check(&[], &[0x1a, 3, 0x0a, 1, b'n', 0x10, 1, 0x1a, 2, 0x10, 7], r#"{"pick_0":{"x":null,"y":null,"z":{"n":"","m":7}}}"#);
    check(&[("flatten.unions", "true")], &[0x0a, 1, b'a', 0x10, 0], r#"{"x":null,"y":0,"z":null}"#);
}

#[test]
fn wrappers_are_what_they_wrap() {
    let proto = "syntax = \"proto3\";\nimport \"google/protobuf/wrappers.proto\";\nmessage A { google.protobuf.StringValue s = 1; \
                 google.protobuf.UInt32Value n = 2; repeated google.protobuf.BoolValue b = 3; oneof p { google.protobuf.Int64Value w = 4; int64 v = 5; } }";
    let check = |options: &[(&str, &str)], bytes: &[u8], expected: &str| {
        let rig = Rig::new(options);
        let (schema, row) = rig.read(proto, &[0], bytes).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rig.json(schema, &row), expected);
        rig.write(schema, &row).unwrap_or_else(|e| panic!("{e}"))
    };
    let bytes = [0x0a, 3, 0x0a, 1, b'x', 0x12, 0, 0x1a, 2, 8, 1, 0x22, 0];
    let read = r#"{"p_0":{"w":0,"v":null},"s":"x","n":0,"b":[true]}"#;
    check(&[], &bytes, read);
    let (text, _, written) = check(&[("wrapper.for.nullables", "true")], &bytes, read);
    assert!(text.contains("google.protobuf.StringValue s = 1;") && text.contains("int64 v = 5;"), "{text}");
    assert_eq!(written, bytes);
    let raw = [("wrapper.for.raw.primitives", "false")];
    check(&raw, &bytes, r#"{"p_0":{"w":{"value":0},"v":null},"s":{"value":"x"},"n":{"value":0},"b":[{"value":true}]}"#);
}

#[test]
fn single_values_are_wrappers_at_the_root() {
    for (schema, value, index, bytes) in [
        (r#"{"type":"string"}"#, r#""é""#, 7, &[0x0a, 2, 0xc3, 0xa9][..]),
        (r#"{"type":"int64"}"#, "-1", 2, &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        (r#"{"type":"int8"}"#, "0", 4, &[]),
        (r#"{"type":"double"}"#, "1.5", 0, &[9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]),
        (r#"{"type":"boolean"}"#, "true", 6, &[8, 1]),
    ] {
        let rig = Rig::new(&[]);
        let (id, row) = rig.row(&format!("{{\"schema\":{schema},\"payload\":{value}}}"));
        let (text, indexes, payload) = rig.write(id, &row).unwrap_or_else(|e| panic!("{e}"));
        assert!(text.contains("package google.protobuf;"), "{text}");
        assert_eq!((indexes.as_slice(), payload.as_slice()), (&[index][..], bytes), "{schema}");
        let (back, row) = rig.read(&text, &indexes, &payload).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rig.json(back, &row), if value == "1.5" { "1.5" } else { value });
    }
    let rig = Rig::new(&[]);
    let (id, row) = rig.row(r#"{"schema":{"type":"array","items":{"type":"string"}},"payload":["a"]}"#);
    assert!(rig.write(id, &row).unwrap_err().contains("Unsupported root schema of type ARRAY"));
}

#[test]
fn connects_types_are_registered_as_confluents_converter_does() {
    let field = |name: &str, rest: &str| format!(r#"{{"field":"{name}",{rest}}}"#);
    let logical = |t: &str, name: &str| {
        format!(r#""type":"{t}","optional":true,"name":"org.apache.kafka.connect.data.{name}","version":1"#)
    };
    let fields = [
        field("a", r#""type":"int8""#),
        field("b", r#""type":"int16""#),
        field("c", r#""type":"int32""#),
        field("d", r#""type":"float""#),
        field("e", &(logical("bytes", "Decimal") + r#","parameters":{"scale":"2"}"#)),
        field("f", &logical("int32", "Date")),
        field("g", &logical("int32", "Time")),
        field("h", &logical("int64", "Timestamp")),
        field("i", r#""type":"array","items":{"type":"string"}"#),
        field("j", r#""type":"map","name":"my_map","keys":{"type":"string"},"values":{"type":"int32"}"#),
        field("k", r#""type":"struct","name":"x.K","fields":[{"field":"v","type":"string","optional":true}]"#),
        field("l", r#""type":"struct","name":"x.K","optional":true,"fields":[{"field":"v","type":"string","optional":true}]"#),
    ];
    let schema = format!(r#"{{"type":"struct","name":"a.b.Order","fields":[{}]}}"#, fields.join(","));
    let payload =
        r#"{"a":1,"b":-2,"c":3,"d":0.5,"e":"AOE=","f":0,"g":86399999,"h":-1,"i":["x",""],"j":{"k":7},"k":{"v":"in"},"l":null}"#;
    let envelope = format!("{{\"schema\":{schema},\"payload\":{payload}}}");
    let rig = Rig::new(&[]);
    let (id, row) = rig.row(&envelope);
    let (text, indexes, bytes) = rig.write(id, &row).unwrap_or_else(|e| panic!("{e}"));
    for expected in [
        "package a.b;",
        "import \"confluent/meta.proto\";",
        "import \"google/type/timeofday.proto\";",
        "message Order {",
        "int32 c = 3;",
        "confluent.type.Decimal e = 5",
        "google.protobuf.Timestamp h = 8;",
        "repeated string i = 9;",
        "repeated MyMapEntry j = 10;",
        "K k = 11;",
        "message K {",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text.matches("message K {").count(), 1, "{text}");
    let (back, row) = rig.read(&text, &indexes, &bytes).unwrap_or_else(|e| panic!("{e}"));
    let schema = rig.schemas.get(back).expect("interned");
    let kinds =
        "Order a:Int8? b:Int16? c:Int32? d:Float32? e:Bytes? f:Int32? g:Int32? h:Int64? i:List? j:Map? k:Struct? l:Struct?";
    assert_eq!(describe(&schema), kinds);
    assert_eq!(schema.fields[4].schema.scale(), Some(2));
    // Keys of maps are optional in what comes back, so their JSON is no other.
    assert_eq!(rig.json(back, &row), payload);
}

#[test]
fn names_that_protobuf_does_not_have_are_scrubbed_when_asked() {
    let envelope = r#"{"schema":{"type":"struct","name":"my-shop.1 Order","fields":[{"field":"unit price","type":"int32"}]},"payload":{"unit price":3}}"#;
    let text = registered(&[("scrub.invalid.names", "true")], envelope);
    assert!(
        text.contains("package my_shop;") && text.contains("message x1_Order") && text.contains("int32 unit_price = 1;"),
        "{text}"
    );
    let rig = Rig::new(&[]);
    let (id, row) = rig.row(envelope);
    assert!(rig.write(id, &row).unwrap_err().contains("scrub.invalid.names"));
}

#[test]
fn nullable_fields_are_optional_when_asked() {
    let envelope = r#"{"schema":{"type":"struct","name":"A","fields":[{"field":"a","type":"int32","optional":true},{"field":"b","type":"int32"},{"field":"c","type":"int32","optional":true,"default":4}]},"payload":{"a":0,"b":0,"c":null}}"#;
    let rig = Rig::new(&[("optional.for.nullables", "true")]);
    let (id, row) = rig.row(envelope);
    let (text, _, bytes) = rig.write(id, &row).unwrap_or_else(|e| panic!("{e}"));
    assert!(text.contains("optional int32 a = 1;") && text.contains("  int32 b = 2;"), "{text}");
    // Zero is there because it may be null; null has become its default.
    assert_eq!(bytes, [8, 0, 24, 4]);
}

#[test]
fn unregistered_schemas_take_the_latest_of_the_subject() {
    let rig =
        Rig::new(&[("auto.register.schemas", "false"), ("use.latest.version", "true"), ("latest.compatibility.strict", "false")]);
    let target = proto3("message Other { int32 x = 1; } message A { sint64 n = 9; Kind k = 2; enum Kind { NO = 0; YES = 3; } }");
    rig.memory.add("out-value", SchemaType::Protobuf, &target);
    let (id, row) = rig.row(
        r#"{"schema":{"type":"struct","name":"A","fields":[{"field":"n","type":"int32"},{"field":"k","type":"string"}]},"payload":{"n":-3,"k":"YES"}}"#,
    );
    let (text, indexes, bytes) = rig.write(id, &row).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((&*text, indexes.as_slice(), bytes.as_slice()), (&*target, &[1][..], &[16, 3, 72, 5][..]));
    let (id, row) =
        rig.row(r#"{"schema":{"type":"struct","name":"A","fields":[{"field":"nope","type":"int32"}]},"payload":{"nope":1}}"#);
    assert!(rig.write(id, &row).unwrap_err().contains("Cannot find field with name nope"));
}

#[test]
fn messages_within_messages_are_named_by_indexes() {
    let proto = proto3("message A { message B { message C { string s = 1; } } } message D { message E { int32 n = 1; } }");
    let rig = Rig::new(&[]);
    let (schema, row) = rig.read(&proto, &[0, 0, 0], &[0x0a, 1, b's']).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), r#"{"s":"s"}"#);
    let (schema, row) = rig.read(&proto, &[1, 0], &[8, 9]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), r#"{"n":9}"#);
    assert!(rig.read(&proto, &[1, 4], &[]).unwrap_err().contains("no message at [1, 4]"));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let proto = "syntax = \"proto2\";\nmessage A { required int32 n = 1; optional int32 d = 2 [default = 7]; }";
    assert!(Rig::new(&[]).read(proto, &[0], &[]).unwrap_err().contains("Message missing required fields: n"));
    let rig = Rig::new(&[]);
    let (schema, row) = rig.read(proto, &[0], &[8, 1]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), r#"{"n":1,"d":null}"#);
    let rig = Rig::new(&[("optional.for.proto2", "false")]);
    let (schema, row) = rig.read(proto, &[0], &[8, 1]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), r#"{"n":1,"d":7}"#);
    let proto = proto3("message A { string s = 1; }");
    assert!(Rig::new(&[]).read(&proto, &[0], &[0x0a, 1, 0xff]).unwrap_err().contains("invalid UTF-8"));
    assert!(Rig::new(&[]).read(&proto, &[0], &[0x0a, 9, b'x']).unwrap_err().contains("ended unexpectedly"));
    let mut converter = Rig::new(&[]).converter();
    let error = converter.decode("in", Some(b"{}"), &mut RowBuf::new()).unwrap_err().failed().to_string();
    assert!(error.contains("Unknown magic byte!"), "{error}");
    assert!(matches!(converter.decode("in", None, &mut RowBuf::new()), Ok(None)));
    assert!(matches!(converter.encode("in", None, None, &mut Vec::new()), Ok(false)));
}

/// A message that stands within itself goes through as JSON, and is the same bytes where it is written by its own schema.
#[test]
fn what_recurs_is_json() {
    let proto = proto3(
        "message Tree { int64 id = 1; Tree left = 2; repeated Tree others = 3; map<string, Tree> named = 4; oneof of { Tree up = 5; int32 n = 6; } }",
    );
    let message = parsed(&proto).message(&[0]).unwrap_or_else(|| panic!("no message"));
    let tree = |json: &str| {
        let mut json = serde_json::Deserializer::from_str(json);
        DynamicMessage::deserialize(message.clone(), &mut json).unwrap_or_else(|e| panic!("{e}")).encode_to_vec()
    };
    let deep = r#"{"id":1,"left":{"id":"9007199254740993","left":{"id":-3}},"others":[{},{"id":5}],"named":{"a":{"n":0}},"up":{"up":{}}}"#;
    let bytes = tree(deep);
    let rig =
        Rig::new(&[("auto.register.schemas", "false"), ("use.latest.version", "true"), ("latest.compatibility.strict", "false")]);
    let (schema, row) = rig.read(&proto, &[0], &bytes).unwrap_or_else(|e| panic!("{e}"));
    let kinds = rig.schemas.get(schema).unwrap_or_else(|| panic!("no schema"));
    let left = kinds.fields.iter().find(|f| &*f.name == "left").unwrap_or_else(|| panic!("no field"));
    assert_eq!((left.schema.kind, left.schema.optional), (millrace_record::Kind::Any, true));
    let json = rig.json(schema, &row);
    assert!(json.contains(r#""left":{"id":9007199254740993,"left":{"id":-3,"#), "{json}");
    rig.memory.add("out-value", SchemaType::Protobuf, &proto);
    assert_eq!(rig.write(schema, &row).unwrap_or_else(|e| panic!("{e}")).2, bytes);
    // By a schema of the converter's own it is text.
    let own = Rig { options: Vec::new(), ..rig };
    let (text, _, _) = own.write(schema, &row).unwrap_or_else(|e| panic!("{e}"));
    assert!(text.contains("string left = 2;"), "{text}");
}

#[test]
fn messages_for_json_are_json() {
    let proto = "syntax = \"proto3\";\nimport \"google/protobuf/struct.proto\";\nmessage A { google.protobuf.Struct s = 1; \
                 google.protobuf.Value v = 2; repeated google.protobuf.ListValue l = 3; map<string, google.protobuf.Value> m = 4; }";
    let message = parsed(proto).message(&[0]).unwrap_or_else(|| panic!("no message"));
    let json = r#"{"s":{"a":[1.0,null,{"b":"x"}]},"v":true,"l":[[1.5],[]],"m":{"k":"v"}}"#;
    let mut read = serde_json::Deserializer::from_str(json);
    let bytes = DynamicMessage::deserialize(message, &mut read).unwrap_or_else(|e| panic!("{e}")).encode_to_vec();
    let rig =
        Rig::new(&[("auto.register.schemas", "false"), ("use.latest.version", "true"), ("latest.compatibility.strict", "false")]);
    let (schema, row) = rig.read(proto, &[0], &bytes).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), json);
    rig.memory.add("out-value", SchemaType::Protobuf, proto);
    assert_eq!(rig.write(schema, &row).unwrap_or_else(|e| panic!("{e}")).2, bytes);
    // A Value of no kind is null.
    let (schema, row) = rig.read(proto, &[0], &[18, 0]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rig.json(schema, &row), r#"{"s":null,"v":null,"l":[],"m":{}}"#);
}
