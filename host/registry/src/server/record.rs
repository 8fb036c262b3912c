//! Records of the `_schemas` topic, as Confluent's registry writes them. Read with tolerance: fields in any order, those of
//! other versions, and whole kinds of records that mean nothing here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::association::{Association, AssociationKey};
use super::config::Config;
use super::mode::Mode;
use super::subject::Subject;
use crate::{Reference, SchemaType};

/// A record of the log; no value: a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A record that cannot be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Schema(SchemaRecord),
    /// A version deleted for good.
    NoSchema {
        subject: Subject,
        version: i32,
    },
    /// All versions up to this one are deleted, not for good.
    DeleteSubject {
        subject: Subject,
        version: i32,
    },
    NoDeleteSubject(Subject),
    /// None for all subjects; without a value the setting is taken back.
    Config(Option<Subject>, Option<Config>),
    Mode(Option<Subject>, Option<Mode>),
    Context {
        context: String,
        exists: bool,
    },
    /// Ids up to this one have been given out, also if no record holds them any more. Confluent's registry has no such record
    /// and passes over it.
    MaxId {
        context: String,
        id: i32,
    },
    /// Confluent's registry has another form for it, and passes over this one as this registry does over that.
    Association(AssociationKey, Option<Association>),
    Noop,
    /// Of a kind that this registry does not know.
    Other(String),
}

/// One version of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaRecord {
    pub subject: Subject,
    pub version: i32,
    pub id: i32,
    pub schema: Arc<Content>,
    pub deleted: bool,
}

/// What makes a schema the same as another: its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub of: SchemaType,
    pub text: Arc<str>,
    pub references: Vec<Reference>,
    pub metadata: Option<Value>,
    pub rule_set: Option<Value>,
}

/// What a [`Content`] is found by.
pub type Digest = [u8; 16];

impl Content {
    pub fn digest(&self) -> Digest {
        use md5::{Digest as _, Md5};
        let mut md5 = Md5::new();
        md5.update(self.text.as_bytes());
        for reference in &self.references {
            md5.update(reference.name.as_bytes());
            md5.update(reference.subject.as_bytes());
            md5.update(reference.version.to_be_bytes());
        }
        // A text may be a schema of two formats.
        if self.of != SchemaType::Avro {
            md5.update([self.of as u8]);
        }
        for further in [&self.metadata, &self.rule_set].into_iter().flatten() {
            md5.update(further.to_string().as_bytes());
        }
        md5.finalize().into()
    }

    /// The id that is the same in every registry that makes it this way.
    pub fn guid(&self) -> String {
        uuid::Uuid::from_bytes(self.digest()).to_string()
    }
}

#[derive(Deserialize)]
struct Key {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default)]
    context: Option<String>,
    #[serde(flatten)]
    association: Option<AssociationKey>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct SchemaValue {
    subject: String,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema_type: Option<SchemaType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    references: Option<Vec<Reference>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_set: Option<Value>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

fn read_json<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(bytes).map_err(|e| Unreadable(format!("its {what} is not what it should be: {e}")))
}

impl Record {
    pub fn read(key: &[u8], value: Option<&[u8]>) -> Result<Record, Unreadable> {
        let key: Key = read_json("key", key)?;
        let scope = || match key.subject.as_deref() {
            None => None,
            Some(subject) => Subject::scope(subject).unwrap_or_else(|_| Some(Subject::parse(subject))),
        };
        let subject = || match key.subject.as_deref() {
            Some(subject) => Ok(Subject::parse(subject)),
            None => Err(Unreadable("its key has no \"subject\"".into())),
        };
        let context = || key.context.clone().ok_or_else(|| Unreadable("its key has no \"context\"".into()));
        // A value that is the word null is a tombstone too.
        let value = value.filter(|v| !v.is_empty() && v.trim_ascii() != b"null");
        Ok(match (key.keytype.as_str(), value) {
            ("SCHEMA", None) => {
                let version = key.version.ok_or_else(|| Unreadable("its key has no \"version\"".into()))?;
                Record::NoSchema { subject: subject()?, version }
            }
            ("SCHEMA", Some(value)) => {
                let value: SchemaValue = read_json("value", value)?;
                let content = Content {
                    of: value.schema_type.unwrap_or_default(),
                    text: value.schema.into(),
                    references: value.references.unwrap_or_default(),
                    metadata: value.metadata,
                    rule_set: value.rule_set,
                };
                Record::Schema(SchemaRecord {
                    subject: subject()?,
                    version: key.version.unwrap_or(value.version),
                    id: value.id,
                    schema: Arc::new(content),
                    deleted: value.deleted,
                })
            }
            ("DELETE_SUBJECT", None) => Record::NoDeleteSubject(subject()?),
            ("DELETE_SUBJECT", Some(value)) => {
                let value: Map<String, Value> = read_json("value", value)?;
                let version = value.get("version").and_then(Value::as_i64).and_then(|v| i32::try_from(v).ok());
                let version = version.ok_or_else(|| Unreadable("its value has no \"version\"".into()))?;
                Record::DeleteSubject { subject: subject()?, version }
            }
            ("CONFIG", value) => Record::Config(scope(), value.map(|v| read_json("value", v)).transpose()?),
            ("MODE", None) => Record::Mode(scope(), None),
            ("MODE", Some(value)) => {
                let value: Map<String, Value> = read_json("value", value)?;
                let mode = value.get("mode").and_then(Value::as_str).unwrap_or_default();
                let mode = mode.parse().map_err(|()| Unreadable(format!("its mode \"{mode}\" is not known")))?;
                Record::Mode(scope(), Some(mode))
            }
            ("CONTEXT", value) => Record::Context { context: context()?, exists: value.is_some() },
            ("MAX_ID", None) => Record::MaxId { context: context()?, id: 0 },
            ("MAX_ID", Some(value)) => {
                let value: Map<String, Value> = read_json("value", value)?;
                let id = value.get("id").and_then(Value::as_i64).and_then(|v| i32::try_from(v).ok());
                Record::MaxId { context: context()?, id: id.ok_or_else(|| Unreadable("its value has no \"id\"".into()))? }
            }
            ("ASSOCIATION", value) => {
                let wanted = "\"resourceId\", \"resourceType\" and \"associationType\"";
                let key = key.association.ok_or_else(|| Unreadable(format!("its key lacks some of {wanted}")))?;
                Record::Association(key, value.map(|v| read_json("value", v)).transpose()?)
            }
            ("NOOP", _) => Record::Noop,
            (other, _) => Record::Other(other.to_owned()),
        })
    }

    pub fn entry(&self) -> Entry {
        let named = |keytype: &str, subject: Option<&Subject>| {
            let subject = subject.map(Subject::to_string);
            json!({"keytype": keytype, "subject": subject, "magic": 0})
        };
        let schema_key = |subject: &Subject, version: i32| json!({"keytype": "SCHEMA", "subject": subject.to_string(), "version": version, "magic": 1});
        let with_subject = |subject: &Option<Subject>, value: Value| {
            let mut map = Map::new();
            if let Some(subject) = subject {
                map.insert("subject".into(), subject.to_string().into());
            }
            map.extend(value.as_object().cloned().unwrap_or_default());
            Value::Object(map)
        };
        let (key, value) = match self {
            Record::Schema(record) => (schema_key(&record.subject, record.version), Some(record.value())),
            Record::NoSchema { subject, version } => (schema_key(subject, *version), None),
            Record::DeleteSubject { subject, version } => {
                let value = json!({"subject": subject.to_string(), "version": version});
                (named("DELETE_SUBJECT", Some(subject)), Some(value))
            }
            Record::NoDeleteSubject(subject) => (named("DELETE_SUBJECT", Some(subject)), None),
            Record::Config(subject, config) => {
                let value = config.as_ref().map(|c| with_subject(subject, json!(c)));
                (named("CONFIG", subject.as_ref()), value)
            }
            Record::Mode(subject, mode) => {
                let value = mode.map(|m| with_subject(subject, json!({"mode": m.name()})));
                (named("MODE", subject.as_ref()), value)
            }
            Record::Context { context, exists } => {
                let key = json!({"keytype": "CONTEXT", "tenant": "default", "context": context, "magic": 0});
                (key, exists.then(|| json!({"tenant": "default", "context": context})))
            }
            Record::MaxId { context, id } => {
                (json!({"keytype": "MAX_ID", "context": context, "magic": 0}), Some(json!({"id": id})))
            }
            Record::Association(key, association) => {
                let AssociationKey { resource_id, resource_type, association_type } = key;
                let key = json!({"keytype": "ASSOCIATION", "resourceId": resource_id, "resourceType": resource_type,
                    "associationType": association_type, "magic": 0});
                (key, association.as_ref().map(|a| json!(a)))
            }
            Record::Noop | Record::Other(_) => (json!({"keytype": "NOOP", "magic": 0}), None),
        };
        Entry { key: key.to_string().into_bytes(), value: value.map(|v| v.to_string().into_bytes()) }
    }
}

impl SchemaRecord {
    fn value(&self) -> Value {
        use base64::Engine as _;
        let content = &self.schema;
        let value = SchemaValue {
            subject: self.subject.to_string(),
            version: self.version,
            id: self.id,
            md5: Some(base64::engine::general_purpose::STANDARD.encode(content.digest())),
            schema_type: (content.of != SchemaType::Avro).then_some(content.of),
            references: (!content.references.is_empty()).then(|| content.references.clone()),
            metadata: content.metadata.clone(),
            rule_set: content.rule_set.clone(),
            schema: content.text.to_string(),
            deleted: self.deleted,
        };
        json!(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: Option<&str>, expected: Record) {
        let read = Record::read(key.as_bytes(), value.map(str::as_bytes)).unwrap();
        assert_eq!(read, expected, "{key}");
        let entry = read.entry();
        assert_eq!(Record::read(&entry.key, entry.value.as_deref()).unwrap(), expected, "{key} written again");
    }

    #[test]
    fn records_of_confluent() {
        let text = r#"{"type":"record","name":"R","fields":[]}"#;
        let content = Content { of: SchemaType::Avro, text: text.into(), references: vec![], metadata: None, rule_set: None };
        let record = SchemaRecord {
            subject: Subject::parse("orders-value"),
            version: 2,
            id: 7,
            schema: Arc::new(content.clone()),
            deleted: false,
        };
        let key = r#"{"keytype":"SCHEMA","subject":"orders-value","version":2,"magic":1}"#;
        let value = json!({"subject": "orders-value", "version": 2, "id": 7, "schema": text, "deleted": false}).to_string();
        check(key, Some(&value), Record::Schema(record.clone()));
        assert_eq!(Record::Schema(record.clone()).entry().key, key.as_bytes());
        // Another order, spaces, fields of later versions.
        let value = json!({"md5": "x", "guid": "y", "schemaTags": [], "offset": 3, "ts": 4, "deleted": true, "references": [],
            "schema": text, "id": 7, "version": 2, "subject": "orders-value"});
        let key = r#"{ "magic": 1, "version": 2, "subject": "orders-value", "keytype": "SCHEMA" }"#;
        check(key, Some(&value.to_string()), Record::Schema(SchemaRecord { deleted: true, ..record.clone() }));
        let reference = Reference { name: "a.proto".into(), subject: "a".into(), version: 1 };
        let proto = Content { of: SchemaType::Protobuf, references: vec![reference], ..content };
        let value = json!({"subject": "orders-value", "version": 2, "id": 7, "schemaType": "PROTOBUF", "schema": text,
            "references": [{"name": "a.proto", "subject": "a", "version": 1}], "deleted": false});
        check(key, Some(&value.to_string()), Record::Schema(SchemaRecord { schema: Arc::new(proto), ..record }));
        check(key, None, Record::NoSchema { subject: Subject::parse("orders-value"), version: 2 });
    }

    #[test]
    fn further_records() {
        let s = || Subject::parse("s");
        let key = r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#;
        check(key, Some(r#"{"subject":"s","version":3}"#), Record::DeleteSubject { subject: s(), version: 3 });
        let full = Config { compatibility_level: Some(crate::compatibility::Level::Full), ..Config::default() };
        let key = r#"{"keytype":"CONFIG","subject":null,"magic":0}"#;
        check(key, Some(r#"{"compatibilityLevel":"FULL"}"#), Record::Config(None, Some(full.clone())));
        assert_eq!(Record::Config(None, None).entry().key, key.as_bytes());
        check(
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","compatibilityLevel":"FULL"}"#),
            Record::Config(Some(s()), Some(full)),
        );
        let key = r#"{"keytype":"MODE","subject":"s","magic":0}"#;
        check(key, Some(r#"{"subject":"s","mode":"READONLY"}"#), Record::Mode(Some(s()), Some(Mode::ReadOnly)));
        check(r#"{"keytype":"NOOP","magic":0}"#, None, Record::Noop);
        let read = Record::read(br#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#, Some(b"{}")).unwrap();
        assert_eq!(read, Record::Other("CLEAR_SUBJECT".into()));
        assert!(Record::read(b"\xff", None).is_err() && Record::read(b"{}", None).is_err());
    }
}
