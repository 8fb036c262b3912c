//! `json.fail.invalid.schema`: payloads held against all that their JSON Schema says, `pattern` and `minimum` included.
//!
//! Never fetches anything: references lead to what the registry gave with the schema.

use std::error::Error;
use std::fmt::Write;

use boon::{Compiler, Draft as Rules, SchemaIndex, Schemas, UrlLoader, ValidationError};
use reqwest::Url;
use serde_json::Value;

use super::super::misfit::Misfit;
use crate::json_schema::{Draft, JsonSchema};

/// Where a schema is, that relative references are seen from.
const BASE: &str = "schema:///";
/// Failures that a message names.
const SHOWN_MAX: usize = 3;
/// Characters of one failure, which may hold a value.
const TEXT_MAX: usize = 200;

/// A compiled schema.
pub(super) struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").field("schemas", &self.schemas.size()).finish()
    }
}

impl Validator {
    pub fn new(of: &JsonSchema) -> Result<Self, Misfit> {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(match of.draft() {
            Draft::Four => Rules::V4,
            Draft::Six => Rules::V6,
            Draft::Seven => Rules::V7,
            Draft::Draft2019 => Rules::V2019_09,
            Draft::Draft2020 => Rules::V2020_12,
        });
        compiler.use_loader(Box::new(Dependencies::new(of)));
        let mut schemas = Schemas::new();
        let root = compiler
            .add_resource(BASE, of.root().value().clone())
            .and_then(|()| compiler.compile(BASE, &mut schemas))
            .map_err(|e| Misfit::new(format!("json.fail.invalid.schema cannot hold data against the schema: {e:#}")))?;
        Ok(Validator { schemas, root })
    }

    /// Whether a payload is what the schema describes; the failure names places and what is due there.
    pub fn check(&self, payload: &[u8]) -> Result<(), Misfit> {
        let value: Value = serde_json::from_slice(payload).map_err(|e| Misfit::new(format!("not JSON: {e}")))?;
        self.schemas.validate(&value, self.root).map_err(|error| {
            let mut all = Vec::new();
            leaves(&error, &mut all);
            let mut what = String::from("the JSON does not match its schema");
            for (i, leaf) in all.iter().take(SHOWN_MAX).enumerate() {
                let place = leaf.instance_location.to_string();
                let place = if place.is_empty() { "/" } else { &place };
                let text: String = leaf.kind.to_string().chars().take(TEXT_MAX).collect();
                let _ = write!(what, "{} at {place}: {text}", if i == 0 { ":" } else { ";" });
            }
            if all.len() > SHOWN_MAX {
                let _ = write!(what, "; and {} more", all.len() - SHOWN_MAX);
            }
            Misfit::new(what)
        })
    }
}

/// The failures that have no others behind them.
fn leaves<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>, found: &mut Vec<&'e ValidationError<'s, 'v>>) {
    if error.causes.is_empty() {
        found.push(error);
    }
    for cause in &error.causes {
        leaves(cause, found);
    }
}

/// The schemas that one refers to, by the addresses that its references make of their names.
struct Dependencies {
    named: Vec<(String, Vec<Url>, Value)>,
}

impl Dependencies {
    fn new(of: &JsonSchema) -> Self {
        let base = Url::parse(BASE).ok();
        let id = ["$id", "id"].into_iter().find_map(|key| of.root().text(key));
        let own = base.as_ref().zip(id).and_then(|(base, id)| base.join(id).ok());
        let named = of.dependencies().map(|(name, schema)| {
            let seen = [&base, &own].into_iter().flatten().filter_map(|from| from.join(name).ok()).collect();
            (name.to_owned(), seen, schema.clone())
        });
        Dependencies { named: named.collect() }
    }
}

impl UrlLoader for Dependencies {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        let asked = Url::parse(url)?;
        // Seen from a dependency in a folder of its own, another's name is a tail of the address.
        let tail = |name: &str| asked.path().strip_suffix(name).is_some_and(|rest| rest.ends_with('/'));
        let found = self.named.iter().find(|(_, seen, _)| seen.contains(&asked));
        let found = found.or_else(|| self.named.iter().find(|(name, ..)| tail(name)));
        let (.., schema) = found.ok_or_else(|| format!("{url} is none of the schema's references"))?;
        Ok(schema.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dependency;

    fn validator(schema: &str, dependencies: &[(&str, &str)]) -> Validator {
        let dependencies: Vec<_> =
            dependencies.iter().map(|(name, text)| Dependency { name: (*name).into(), text: (*text).into() }).collect();
        let parsed = JsonSchema::parse(schema, &dependencies).unwrap_or_else(|e| panic!("{schema}: {e}"));
        Validator::new(&parsed).unwrap_or_else(|e| panic!("{schema}: {e}"))
    }

    fn check(validator: &Validator, payload: &str, expected: &[&str]) {
        match validator.check(payload.as_bytes()) {
            Ok(()) => assert!(expected.is_empty(), "{payload} is taken"),
            Err(misfit) => {
                let text = misfit.to_string();
                assert!(!expected.is_empty() && expected.iter().all(|e| text.contains(e)), "{payload}: {text}");
            }
        }
    }

    #[test]
    fn failures_have_their_places() {
        let of = validator(
            r#"{"type":"object","properties":{"age":{"type":"integer","minimum":0},"name":{"type":"string","pattern":"^[a-z]+$"}},"required":["age"],"additionalProperties":false}"#,
            &[],
        );
        check(&of, r#"{"age":1,"name":"x"}"#, &[]);
        check(&of, r#"{"age":-1}"#, &["does not match its schema: at /age"]);
        check(&of, r#"{"age":1,"name":"X"}"#, &["at /name"]);
        check(&of, r#"{"age":1,"other":1}"#, &["at /", "other"]);
        check(&of, "{}", &["age"]);
        check(&of, "{", &["not JSON"]);
    }

    #[test]
    fn drafts_have_their_own_rules() {
        // Items as a list are those of a tuple up to 2019-09, and not allowed after it.
        let tuple = r#""items":[{"type":"string"}],"additionalItems":false}"#;
        for draft in [
            "",
            r#""$schema":"http://json-schema.org/draft-07/schema#","#,
            r#""$schema":"http://json-schema.org/draft-04/schema#","#,
        ] {
            let of = validator(&format!("{{{draft}{tuple}"), &[]);
            check(&of, r#"["a"]"#, &[]);
            check(&of, r#"["a",1]"#, &["at /"]);
        }
        let of = validator(
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}],"items":false}"#,
            &[],
        );
        check(&of, r#"["a",1]"#, &["false schema"]);
    }

    #[test]
    fn references_lead_to_what_the_registry_gave() {
        let positive = r#"{"type":"integer","minimum":1}"#;
        for (own, name, reference) in [
            ("", "positive.json", "positive.json"),
            ("", "refs/positive.json", "refs/positive.json#"),
            (r#""$id":"http://example.com/schemas/root.json","#, "positive.json", "positive.json"),
            (r#""$id":"http://example.com/root.json","#, "http://example.com/positive.json", "positive.json"),
            ("", "http://example.com/positive.json", "http://example.com/positive.json"),
        ] {
            let of = validator(&format!(r#"{{{own}"properties":{{"n":{{"$ref":"{reference}"}}}}}}"#), &[(name, positive)]);
            check(&of, r#"{"n":1}"#, &[]);
            check(&of, r#"{"n":0}"#, &["at /n"]);
        }
        // A dependency's own.
        let chain = [("deep/b.json", positive), ("deep/a.json", r#"{"properties":{"n":{"$ref":"b.json"}}}"#)];
        let of = validator(r#"{"$ref":"deep/a.json"}"#, &chain);
        check(&of, r#"{"n":0}"#, &["at /n"]);
        let of = validator(r##"{"properties":{"again":{"$ref":"#"}},"additionalProperties":false}"##, &[]);
        check(&of, r#"{"again":{"again":{"x":1}}}"#, &["at /again/again"]);
    }

    /// It is a schema all the same: without the setting its records are read.
    #[test]
    fn patterns_that_look_around_cannot_be_checked() {
        let parsed = JsonSchema::parse(r#"{"pattern":"^(?=a)"}"#, &[]).unwrap_or_else(|e| panic!("{e}"));
        let error = Validator::new(&parsed).unwrap_err().to_string();
        assert!(error.contains("json.fail.invalid.schema cannot hold data against the schema"), "{error}");
    }

    #[test]
    fn many_failures_are_cut() {
        let of = validator(r#"{"items":{"type":"string"}}"#, &[]);
        check(&of, "[1,2,3,4,5]", &["at /0", "at /2", "; and 2 more"]);
    }
}
