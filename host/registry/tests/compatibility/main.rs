//! The compatibility table: every case of `cases/` at all seven levels, beside what others made of it (`verdicts/`, written by
//! `record.sh`): the registries of Apicurio, Karapace and AxonOps, and for Avro Java's own library, whose reasons and texts are
//! compared too.

mod different;
mod table;

use millrace_registry::avro::{self, AvroSchema};
use millrace_registry::{Incompatibility, ParsedSchema, SchemaType};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Oldest first.
    versions: Vec<Value>,
    new: Value,
}

#[derive(Deserialize)]
struct Verdict {
    name: String,
    #[serde(default)]
    allowed: Vec<String>,
    /// The status with which a registry broke on the case.
    failed: Option<u16>,
    /// The error with which a library did.
    unjudged: Option<String>,
    #[serde(rename = "new reads last", default)]
    new_reads_last: Vec<String>,
    #[serde(rename = "last reads new", default)]
    last_reads_new: Vec<String>,
}

fn read<T: for<'a> Deserialize<'a>>(path: &str) -> Vec<T> {
    let path = format!("{}/tests/compatibility/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn parse(of: SchemaType, schema: &Value, case: &str) -> ParsedSchema {
    let text = match (of, schema) {
        (SchemaType::Protobuf, Value::String(text)) => text.clone(),
        _ => schema.to_string(),
    };
    ParsedSchema::parse_new(of, &text, &[]).unwrap_or_else(|e| panic!("{case}: {e}: {text}"))
}

#[test]
fn avro_gives_the_reasons_of_java() {
    let told = |found: Vec<Incompatibility>| -> Vec<String> {
        found.into_iter().map(|i| format!("{} {} {}", i.kind, i.path, i.additional)).collect()
    };
    let cases: Vec<Case> = read("cases/avro.json");
    let verdicts: Vec<Verdict> = read("verdicts/java-avro.json");
    let mut reasons = 0;
    for (case, verdict) in cases.iter().zip(verdicts) {
        let [last, new] = [case.versions.last().expect("a version"), &case.new]
            .map(|v| AvroSchema::parse_new(&v.to_string(), &[]).expect("parses"));
        reasons += verdict.new_reads_last.len() + verdict.last_reads_new.len();
        assert_eq!(told(avro::cannot_read(&new, &last)), verdict.new_reads_last, "{}: the new reads the last", case.name);
        assert_eq!(told(avro::cannot_read(&last, &new)), verdict.last_reads_new, "{}: the last reads the new", case.name);
    }
    assert!(reasons > 100, "{reasons}");
}

#[derive(Deserialize)]
struct Printed {
    text: String,
    new: Option<String>,
    registered: Option<String>,
}

/// Texts that Java takes and we do not, or the other way round, and why.
const OTHERWISE: &[(&str, &str)] = &[
    (
        r#"{"type":"record","name":"R","fields":[{"name":"f","type":"double","default":1E400}]}"#,
        "a number beyond the range of doubles is an error here, and infinite there",
    ),
    (
        r#"{"type":"string","a":12345678901234567890,"b":1.0,"c":-0,"d":1e-7,"e":100000000.0,"f":1.0E7}"#,
        "-0 stays negative here, as the number -0.0",
    ),
];

#[test]
fn avro_prints_the_texts_of_java() {
    let mut wrong = Vec::new();
    for Printed { text, new, registered } in read::<Printed>("verdicts/java-avro-texts.json") {
        if OTHERWISE.iter().any(|(t, _)| *t == text) {
            continue;
        }
        for (parsed, theirs) in [(AvroSchema::parse_new(&text, &[]), new), (AvroSchema::parse(&text, &[]), registered)] {
            let ours = parsed.as_ref().map(AvroSchema::canonical);
            if ours.as_ref().ok() != theirs.as_ref() {
                wrong.push(format!("{text}\n  theirs {theirs:?}\n  ours   {ours:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} texts differ:\n{}", wrong.len(), wrong.join("\n"));
}
