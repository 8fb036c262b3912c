//! Whether a value is a schema: each keyword that the drafts define has a value of its right type.

use serde_json::Value;

use super::draft::{self, Draft};
use super::kind;
use crate::InvalidSchema;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// What a keyword asks of its value.
#[derive(Clone, Copy)]
enum Asks {
    Text,
    Flag,
    Number,
    /// A whole number from zero.
    Count,
    List,
    Texts,
    Schema,
    /// Schemas, at least one.
    Schemas,
    NamedSchemas,
    NamedTexts,
}

const KEYWORDS: [(&str, Asks); 45] = [
    ("$anchor", Asks::Text),
    ("$comment", Asks::Text),
    ("$defs", Asks::NamedSchemas),
    ("$dynamicAnchor", Asks::Text),
    ("$dynamicRef", Asks::Text),
    ("$id", Asks::Text),
    ("$recursiveRef", Asks::Text),
    ("$ref", Asks::Text),
    ("$schema", Asks::Text),
    ("additionalProperties", Asks::Schema),
    ("additionalItems", Asks::Schema),
    ("allOf", Asks::Schemas),
    ("anyOf", Asks::Schemas),
    ("contains", Asks::Schema),
    ("definitions", Asks::NamedSchemas),
    ("dependentRequired", Asks::NamedTexts),
    ("dependentSchemas", Asks::NamedSchemas),
    ("description", Asks::Text),
    ("else", Asks::Schema),
    ("enum", Asks::List),
    ("format", Asks::Text),
    ("if", Asks::Schema),
    ("maxContains", Asks::Count),
    ("maxItems", Asks::Count),
    ("maxLength", Asks::Count),
    ("maxProperties", Asks::Count),
    ("maximum", Asks::Number),
    ("minContains", Asks::Count),
    ("minItems", Asks::Count),
    ("minLength", Asks::Count),
    ("minProperties", Asks::Count),
    ("minimum", Asks::Number),
    ("multipleOf", Asks::Number),
    ("not", Asks::Schema),
    ("oneOf", Asks::Schemas),
    ("pattern", Asks::Text),
    ("patternProperties", Asks::NamedSchemas),
    ("prefixItems", Asks::Schemas),
    ("properties", Asks::NamedSchemas),
    ("propertyNames", Asks::Schema),
    ("required", Asks::Texts),
    ("then", Asks::Schema),
    ("title", Asks::Text),
    ("unevaluatedItems", Asks::Schema),
    ("unevaluatedProperties", Asks::Schema),
];

/// Checks a document, all schemas of it.
pub(super) fn schema(root: &Value, draft: Draft) -> Result<(), InvalidSchema> {
    let mut left = vec![(String::new(), root)];
    while let Some((at, value)) = left.pop() {
        one(value, draft, &at)?;
        for (keyword, within, below) in draft::below(value) {
            left.push((draft::pointer(&at, keyword, within.as_deref()), below));
        }
    }
    Ok(())
}

fn one(schema: &Value, draft: Draft, at: &str) -> Result<(), InvalidSchema> {
    let members = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(members) => members,
        other => return wrong(at, "a schema (an object or a boolean)", other),
    };
    // Beside a reference nothing is read in these drafts.
    if draft.ref_stands_alone() && members.get("$ref").is_some_and(Value::is_string) {
        return Ok(());
    }
    for (keyword, value) in members {
        let at = || draft::pointer(at, keyword, None);
        match keyword.as_str() {
            "type" => types(value, &at())?,
            "items" => match value {
                Value::Array(list) => list.iter().try_for_each(|v| is_schema(v, &at()))?,
                other => is_schema(other, &at())?,
            },
            "dependencies" => dependencies(value, &at())?,
            // Flags in draft 4, numbers since.
            "exclusiveMaximum" | "exclusiveMinimum" if value.is_boolean() || value.is_number() => {}
            "exclusiveMaximum" | "exclusiveMinimum" => return wrong(&at(), "a number", value),
            "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => asked(value, Asks::Flag, &at())?,
            "id" if draft == Draft::Four => asked(value, Asks::Text, &at())?,
            known => {
                if let Some((_, asks)) = KEYWORDS.iter().find(|(name, _)| *name == known) {
                    asked(value, *asks, &at())?;
                }
            }
        }
    }
    match members.get("multipleOf").and_then(Value::as_f64) {
        Some(step) if step <= 0.0 => Err(InvalidSchema(format!("#{at}/multipleOf is {step}, and has to be more than 0"))),
        _ => Ok(()),
    }
}

fn types(value: &Value, at: &str) -> Result<(), InvalidSchema> {
    let known = |value: &Value| match value.as_str() {
        Some(name) if TYPES.contains(&name) => Ok(()),
        Some(name) => {
            let known = TYPES.join(", ");
            Err(InvalidSchema(format!("#{at} is {name:?}, which is no type of JSON Schema: use one of {known}")))
        }
        None => wrong(at, "the name of a type", value),
    };
    match value {
        Value::Array(list) if list.is_empty() => Err(InvalidSchema(format!("#{at} lists no type"))),
        Value::Array(list) => list.iter().try_for_each(known),
        other => known(other),
    }
}

fn dependencies(value: &Value, at: &str) -> Result<(), InvalidSchema> {
    let Some(members) = value.as_object() else { return wrong(at, "an object of schemas or lists of names", value) };
    members.values().try_for_each(|v| match v {
        Value::Array(_) => asked(v, Asks::Texts, at),
        _ => is_schema(v, at),
    })
}

fn is_schema(value: &Value, at: &str) -> Result<(), InvalidSchema> {
    if value.is_object() || value.is_boolean() { Ok(()) } else { wrong(at, "a schema (an object or a boolean)", value) }
}

fn asked(value: &Value, asks: Asks, at: &str) -> Result<(), InvalidSchema> {
    let texts = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let named = |of: &dyn Fn(&Value) -> bool| value.as_object().is_some_and(|members| members.values().all(of));
    let schema = |value: &Value| value.is_object() || value.is_boolean();
    let (met, asked) = match asks {
        Asks::Text => (value.is_string(), "a string"),
        Asks::Flag => (value.is_boolean(), "a boolean"),
        Asks::Number => (value.is_number(), "a number"),
        Asks::Count => (value.as_f64().is_some_and(|n| n >= 0.0 && n.fract() == 0.0), "a whole number from 0"),
        Asks::List => (value.is_array(), "a list"),
        Asks::Texts => (texts(value), "a list of strings"),
        Asks::Schema => (schema(value), "a schema (an object or a boolean)"),
        Asks::Schemas => {
            let met = value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(schema));
            (met, "a list of schemas, at least one")
        }
        Asks::NamedSchemas => (named(&schema), "an object of schemas"),
        Asks::NamedTexts => (named(&texts), "an object of lists of strings"),
    };
    if met { Ok(()) } else { wrong(at, asked, value) }
}

fn wrong<T>(at: &str, asked: &str, value: &Value) -> Result<T, InvalidSchema> {
    Err(InvalidSchema(format!("#{at} has to be {asked}, not {}", kind(value))))
}
