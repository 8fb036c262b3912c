//! Tests of the compatibility rules: each names what the reader finds wrong.

use super::tests::any_schema;
use super::*;
use proptest::prelude::*;

fn found(writer: &str, reader: &str) -> Vec<String> {
    let parsed = |text: &str| JsonSchema::parse(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
    cannot_read(&parsed(reader), &parsed(writer)).into_iter().map(|i| format!("{} {}", i.kind, i.path)).collect()
}

/// `reader` finds exactly these in data of `writer`, given without the double quotes around names.
fn check(writer: &str, reader: &str, expected: &[&str]) {
    assert_eq!(found(writer, reader), expected, "{writer} read by {reader}");
}

const OPEN: &str = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
const CLOSED: &str = r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#;
const PARTIAL: &str = r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}}"#;

#[test]
fn properties_follow_the_content_model() {
    let with = |model: &str, property: &str| model.replacen("\"properties\":{", &format!("\"properties\":{{{property},"), 1);
    let int = r#""b":{"type":"integer"}"#;
    let text = r#""b":{"type":"string"}"#;
    check(OPEN, &with(OPEN, int), &["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"]);
    check(OPEN, &with(OPEN, r#""b":{}"#), &[]);
    check(&with(OPEN, int), OPEN, &[]);
    check(CLOSED, &with(CLOSED, int), &[]);
    check(&with(CLOSED, int), CLOSED, &["PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"]);
    check(&with(CLOSED, r#""b":false"#), CLOSED, &[]);
    check(PARTIAL, &with(PARTIAL, text), &[]);
    check(&with(PARTIAL, text), PARTIAL, &[]);
    check(PARTIAL, &with(PARTIAL, int), &["PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b"]);
    check(&with(PARTIAL, int), PARTIAL, &["PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b"]);
    let patterned = CLOSED.replacen("\"additional", r#""patternProperties":{"^b":{"type":"integer"}},"additional"#, 1);
    check(&patterned, &with(&patterned, int), &[]);
    check(&with(&patterned, int), &patterned, &[]);
    check(&with(&patterned, text), &patterned, &["PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b"]);
}

#[test]
fn additional_properties_may_only_become_more() {
    check(OPEN, CLOSED, &["ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"]);
    check(OPEN, PARTIAL, &["ADDITIONAL_PROPERTIES_NARROWED #/additionalProperties"]);
    check(PARTIAL, CLOSED, &["ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"]);
    for (writer, reader) in [(CLOSED, OPEN), (CLOSED, PARTIAL), (PARTIAL, OPEN), (OPEN, OPEN)] {
        check(writer, reader, &[]);
    }
}

#[test]
fn required_properties_may_only_become_fewer() {
    let required = |model: &str| model.replacen('{', r#"{"required":["a"],"#, 1);
    check(OPEN, &required(OPEN), &["REQUIRED_ATTRIBUTE_ADDED #/required/a"]);
    check(&required(OPEN), OPEN, &[]);
    check(OPEN, &required(OPEN).replace(r#""string""#, r#""string","default":"""#), &[]);
    let none = r#"{"type":"object","additionalProperties":false}"#;
    check(none, &required(CLOSED), &["REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"]);
    check(none, &required(CLOSED).replace(r#""string""#, r#""string","default":"""#), &[]);
    check(r#"{"type":"object"}"#, r#"{"type":"object","required":["z"]}"#, &["REQUIRED_ATTRIBUTE_ADDED #/required/z"]);
}

#[test]
fn constraints_may_only_become_looser() {
    for (of, keyword, tight, loose, added, tighter) in [
        ("string", "maxLength", "3", "4", "MAX_LENGTH_ADDED", "MAX_LENGTH_DECREASED"),
        ("string", "minLength", "4", "3", "MIN_LENGTH_ADDED", "MIN_LENGTH_INCREASED"),
        ("string", "pattern", "\"a\"", "\"b\"", "PATTERN_ADDED", "PATTERN_CHANGED"),
        ("number", "maximum", "3", "3.5", "MAXIMUM_ADDED", "MAXIMUM_DECREASED"),
        ("integer", "minimum", "4", "-3", "MINIMUM_ADDED", "MINIMUM_INCREASED"),
        ("number", "exclusiveMaximum", "3", "4", "EXCLUSIVE_MAXIMUM_ADDED", "EXCLUSIVE_MAXIMUM_DECREASED"),
        ("number", "exclusiveMinimum", "4", "3", "EXCLUSIVE_MINIMUM_ADDED", "EXCLUSIVE_MINIMUM_INCREASED"),
        ("number", "multipleOf", "4", "2", "MULTIPLE_OF_ADDED", "MULTIPLE_OF_EXPANDED"),
        ("array", "maxItems", "3", "4", "MAX_ITEMS_ADDED", "MAX_ITEMS_DECREASED"),
        ("array", "minItems", "4", "3", "MIN_ITEMS_ADDED", "MIN_ITEMS_INCREASED"),
        ("object", "maxProperties", "3", "4", "MAX_PROPERTIES_ADDED", "MAX_PROPERTIES_DECREASED"),
        ("object", "minProperties", "4", "3", "MIN_PROPERTIES_ADDED", "MIN_PROPERTIES_INCREASED"),
    ] {
        let none = format!(r#"{{"type":"{of}"}}"#);
        let with = |value: &str| format!(r#"{{"type":"{of}","{keyword}":{value}}}"#);
        let at = |kind: &str| format!("{kind} #/{keyword}");
        assert_eq!(found(&none, &with(tight)), [at(added)]);
        assert_eq!(found(&with(loose), &with(tight)), [at(tighter)]);
        check(&with(tight), &none, &[]);
        check(&with(tight), &with(tight), &[]);
        if keyword != "pattern" {
            check(&with(tight), &with(loose), &[]);
        }
    }
    check(r#"{"type":"number","multipleOf":4}"#, r#"{"type":"number","multipleOf":3}"#, &["MULTIPLE_OF_CHANGED #/multipleOf"]);
    check(r#"{"type":"array"}"#, r#"{"type":"array","uniqueItems":true}"#, &["UNIQUE_ITEMS_ADDED #/uniqueItems"]);
    let draft4 = r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"number","maximum":5,"exclusiveMaximum":true}"#;
    check(draft4, r#"{"type":"number","exclusiveMaximum":5}"#, &[]);
}

#[test]
fn types_may_only_be_widened() {
    check(r#"{"type":"integer"}"#, r#"{"type":"number"}"#, &[]);
    check(r#"{"type":"number"}"#, r#"{"type":"integer"}"#, &["TYPE_NARROWED #/"]);
    check(r#"{"type":"string"}"#, r#"{"type":"integer"}"#, &["TYPE_CHANGED #/"]);
    check(r#"{"type":"string"}"#, r#"{"type":["null","string"]}"#, &[]);
    check(r#"{"type":["null","string"]}"#, r#"{"type":"string"}"#, &["TYPE_CHANGED #/"]);
    check(r#"{"type":["null","string"]}"#, r#"{"type":["string","null","integer"]}"#, &[]);
    check(r#"{"type":["null","string"]}"#, r#"{"type":["null"]}"#, &["SUM_TYPE_NARROWED #/anyOf"]);
    check(r#"{"type":"string"}"#, "true", &[]);
    check("false", r#"{"type":"string"}"#, &[]);
    check("{}", r#"{"type":"string"}"#, &["TYPE_CHANGED #/"]);
    check(r#"{"properties":{"a":{"type":"string"}}}"#, r#"{"type":"object","properties":{"a":{"type":"string"}}}"#, &[]);
}

#[test]
fn combined_types_are_matched() {
    let one = |parts: &str| format!(r#"{{"oneOf":[{parts}]}}"#);
    let (null, text, int, number) =
        (r#"{"type":"null"}"#, r#"{"type":"string"}"#, r#"{"type":"integer"}"#, r#"{"type":"number"}"#);
    check(&one(&format!("{null},{text}")), &one(&format!("{text},{null}")), &[]);
    check(&one(&format!("{null},{int}")), &one(&format!("{number},{text},{null}")), &[]);
    check(&one(&format!("{null},{int}")), &one(&format!("{null},{text}")), &["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/oneOf"]);
    check(&one(&format!("{null},{int}")), &one(null), &["SUM_TYPE_NARROWED #/oneOf"]);
    check(int, &one(&format!("{null},{number}")), &[]);
    check(&one(text), text, &[]);
    let all = |parts: &str| format!(r#"{{"allOf":[{parts}]}}"#);
    check(&all(&format!("{int},{number}")), &all(number), &[]);
    check(&all(number), &all(&format!("{int},{number}")), &["PRODUCT_TYPE_EXTENDED #/allOf"]);
    check(&all(&format!("{int},{number}")), number, &[]);
    check(&one(&format!("{int},{text}")), &format!(r#"{{"anyOf":[{text},{number}]}}"#), &[]);
    check(&format!(r#"{{"anyOf":[{text},{number}]}}"#), &one(&format!("{number},{text}")), &["COMBINED_TYPE_CHANGED #/"]);
    check(r#"{"not":{"type":"string"}}"#, r#"{"not":{"type":"string","maxLength":3}}"#, &[]);
    check(r#"{"not":{"type":"string","maxLength":3}}"#, r#"{"not":{"type":"string"}}"#, &["NOT_TYPE_EXTENDED #/not"]);
}

#[test]
fn values_that_are_listed_may_only_become_more() {
    check(r#"{"enum":["a"]}"#, r#"{"enum":["b","a"]}"#, &[]);
    check(r#"{"enum":["b","a"]}"#, r#"{"enum":["a"]}"#, &["ENUM_ARRAY_NARROWED #/enum"]);
    check(r#"{"enum":["b","a"]}"#, r#"{"enum":["a","c"]}"#, &["ENUM_ARRAY_CHANGED #/enum"]);
    check(r#"{"enum":[1, {"x":1,"y":2}]}"#, r#"{"enum":[{"y":2,"x":1.0},1.0]}"#, &[]);
    check(r#"{"const":"a"}"#, r#"{"const":"b"}"#, &["ENUM_ARRAY_CHANGED #/enum"]);
}

#[test]
fn lists_follow_their_content_model() {
    let items = |of: &str| format!(r#"{{"type":"array","items":{of}}}"#);
    let (text, int) = (r#"{"type":"string"}"#, r#"{"type":"integer"}"#);
    check(&items(int), &items(text), &["TYPE_CHANGED #/items"]);
    check(r#"{"type":"array"}"#, &items(text), &["SCHEMA_ADDED #/items"]);
    check(&items(text), r#"{"type":"array"}"#, &[]);
    let closed = |of: &str| format!(r#"{{"type":"array","items":[{of}],"additionalItems":false}}"#);
    check(&items(&format!("[{text}]")), &items(&format!("[{text},{int}]")), &["ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"]);
    check(&items(&format!("[{text},{int}]")), &items(&format!("[{text}]")), &[]);
    check(&closed(text), &closed(&format!("{text},{int}")), &[]);
    check(&closed(&format!("{text},{int}")), &closed(text), &["ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL #/items/1"]);
    check(&items(&format!("[{text}]")), &closed(text), &["ADDITIONAL_ITEMS_REMOVED #/additionalItems"]);
    let new = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"array","prefixItems":[{"type":"string"}],"items":false}"#;
    check(&closed(text), new, &[]);
}

#[test]
fn dependencies_may_only_become_fewer() {
    let with = |keyword: &str, of: &str| format!(r#"{{"type":"object","{keyword}":{{"a":{of}}}}}"#);
    check(r#"{"type":"object"}"#, &with("dependencies", r#"["b"]"#), &["DEPENDENCY_ARRAY_ADDED #/dependencies/a"]);
    check(
        &with("dependencies", r#"["b"]"#),
        &with("dependentRequired", r#"["b","c"]"#),
        &["DEPENDENCY_ARRAY_EXTENDED #/dependentRequired/a"],
    );
    check(&with("dependencies", r#"["b"]"#), &with("dependencies", r#"["c"]"#), &["DEPENDENCY_ARRAY_CHANGED #/dependencies/a"]);
    check(&with("dependencies", r#"["b"]"#), &with("dependencies", "[]"), &[]);
    check(
        r#"{"type":"object"}"#,
        &with("dependentSchemas", r#"{"required":["b"]}"#),
        &["DEPENDENCY_SCHEMA_ADDED #/dependentSchemas/a"],
    );
}

#[test]
fn references_are_followed_and_rings_end() {
    let tree = |of: &str| {
        format!(
            r##"{{"$ref":"#/definitions/t","definitions":{{"t":{{"type":"object","properties":{{"v":{{"type":"{of}"}},"n":{{"$ref":"#/definitions/t"}}}}}}}}}}"##
        )
    };
    check(&tree("integer"), &tree("number"), &[]);
    check(&tree("number"), &tree("integer"), &["TYPE_NARROWED #/properties/v"]);
    // Two ways into one ring: what is found in one is not lost in the other.
    let ring = |of: &str| {
        format!(
            r##"{{"anyOf":[{{"$ref":"#/definitions/a"}},{{"$ref":"#/definitions/b"}}],"definitions":{{
        "a":{{"type":"object","properties":{{"b":{{"$ref":"#/definitions/b"}},"x":{{"type":"{of}"}}}}}},
        "b":{{"type":"array","items":{{"$ref":"#/definitions/a"}}}}}}}}"##
        )
    };
    check(&ring("integer"), &ring("number"), &[]);
    check(&ring("number"), &ring("integer"), &["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/anyOf"]);
    let only = r##"{"properties":{"a":{"$ref":"#/properties/a"}}}"##;
    check(only, only, &[]);
}

#[test]
fn what_would_take_forever_is_refused() {
    // Each level tries each alternative with each of the other schema.
    let level = |i: usize| {
        format!(
            r##""l{i}":{{"oneOf":[{}]}}"##,
            (0..8)
                .map(|n| format!(r##"{{"type":"object","properties":{{"p{n}":{{"$ref":"#/$defs/l{}"}}}}}}"##, i + 1))
                .collect::<Vec<_>>()
                .join(",")
        )
    };
    let defs: Vec<String> = (0..6).map(level).collect();
    let text = |last: &str| format!(r##"{{"$ref":"#/$defs/l0","$defs":{{{},"l6":{last}}}}}"##, defs.join(","));
    assert!(found(&text("true"), &text(r#"{"type":"string"}"#)).len() < 3);
    let many = format!(r#"{{"anyOf":[{}]}}"#, vec!["{}"; 2000].join(","));
    check(&many, &many, &["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/anyOf"]);
}

#[test]
fn differences_are_told_by_property() {
    let before = r##"{"type":"object","title":"t","required":["a"],"properties":{
        "a":{"type":"string"},"gone":{"type":"integer"},"n":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/n"}]},
        "l":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer","default":1}}}}},
        "definitions":{"n":{"type":"object","properties":{"n":{"$ref":"#/definitions/n"},"s":{"type":"string","maxLength":3}}}}}"##;
    let after = r##"{"type":"object","title":"u","additionalProperties":false,"properties":{
        "a":{"type":"string"},"new":{"enum":["p","q"]},"n":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/n"}]},
        "l":{"type":"array","items":{"type":"object","properties":{"x":{"type":"number","default":2}}}}},
        "definitions":{"n":{"type":"object","properties":{"n":{"$ref":"#/definitions/n"},"s":{"type":"string","maxLength":4,"description":"d"}}}}}"##;
    let parsed = |text: &str| JsonSchema::parse(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
    let told: Vec<String> = changes(&parsed(before), &parsed(after))
        .into_iter()
        .map(|c| format!("{} {:?} {} > {}", c.path, c.kind, c.before.unwrap_or_default(), c.after.unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            " TypeChanged object > object closed",
            " DocChanged t > u",
            "a TypeChanged required string > string",
            "gone Removed integer > ",
            "n.s TypeChanged string (maxLength 3) > string (maxLength 4)",
            "n.s DocChanged  > d",
            "l[].x TypeChanged integer > number",
            "l[].x DefaultChanged 1 > 2",
            "new Added  > enum(\"p\", \"q\")",
        ]
    );
    assert!(changes(&parsed(before), &parsed(before)).is_empty());
}

proptest! {
    #[test]
    fn a_schema_reads_what_it_wrote(value in any_schema()) {
        if let Ok(schema) = JsonSchema::parse(&value.to_string(), &[]) {
            prop_assert_eq!(cannot_read(&schema, &schema), vec![], "{}", value);
            prop_assert_eq!(changes(&schema, &schema), vec![], "{}", value);
        }
    }

    #[test]
    fn any_two_schemas_compare(one in any_schema(), other in any_schema()) {
        if let (Ok(one), Ok(other)) = (JsonSchema::parse(&one.to_string(), &[]), JsonSchema::parse(&other.to_string(), &[])) {
            cannot_read(&one, &other);
            cannot_read(&other, &one);
            changes(&one, &other);
        }
    }
}
