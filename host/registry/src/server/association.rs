//! Associations: which subject a resource has its schemas under, a topic's keys and values above all. Clients ask for them with
//! the subject name strategy `ASSOCIATED`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{self, Decision};
use super::error::ApiError;
use super::record::Record;
use super::state::State;
use super::subject::Subject;

/// What is associated where a request does not say so.
pub const TOPIC: &str = "topic";

/// What happens to the subject when the resource goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lifecycle {
    /// It goes with the resource, where that is asked for, and belongs to no other.
    Strong,
    /// Nothing.
    #[default]
    Weak,
}

/// By what an association is found: there is one of each type for each resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociationKey {
    pub resource_id: String,
    pub resource_type: String,
    /// `key`, `value`, or another word of the client's.
    pub association_type: String,
}

/// As it is stored and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    pub subject: String,
    pub guid: String,
    pub resource_name: String,
    pub resource_namespace: String,
    #[serde(flatten)]
    pub key: AssociationKey,
    pub lifecycle: Lifecycle,
    /// It does not change any more.
    pub frozen: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssociationRequest {
    pub resource_name: Option<String>,
    pub resource_namespace: Option<String>,
    pub resource_id: Option<String>,
    pub resource_type: Option<String>,
    pub associations: Vec<Wanted>,
}

/// One association of a request; what it does not say stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wanted {
    pub subject: Option<String>,
    pub association_type: Option<String>,
    pub lifecycle: Option<Lifecycle>,
    pub frozen: Option<bool>,
    /// Registered before the association is made.
    pub schema: Option<Value>,
    pub normalize: Option<bool>,
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, ApiError> {
    let missing = || ApiError::unprocessable(format!("Invalid association: \"{name}\" must be given"));
    value.filter(|v| !v.is_empty()).ok_or_else(missing)
}

/// Makes them, or with `update` changes those that are there.
pub fn associate(state: &State, request: &AssociationRequest, update: bool) -> Result<Decision, ApiError> {
    let resource_id = required("resourceId", request.resource_id.as_deref())?;
    let resource_type = request.resource_type.as_deref().filter(|t| !t.is_empty()).unwrap_or(TOPIC);
    required("associations", request.associations.first().map(|_| "some"))?;
    let (mut records, mut answers) = (Vec::new(), Vec::new());
    for wanted in &request.associations {
        let key = AssociationKey {
            resource_id: resource_id.to_owned(),
            resource_type: resource_type.to_owned(),
            association_type: wanted.association_type.as_deref().filter(|t| !t.is_empty()).unwrap_or("value").to_owned(),
        };
        let before = state.association(&key);
        let named = |given: &Option<String>, name: &str, before: Option<&String>| {
            required(name, given.as_deref().or(before.map(String::as_str))).map(str::to_owned)
        };
        let subject = named(&wanted.subject, "subject", before.map(|b| &b.subject))?;
        let valid = Subject::valid(&subject)?;
        command::writable(state, Some(&valid))?;
        let association = Association {
            guid: uuid::Uuid::from_bytes(digest(&key, &subject)).to_string(),
            resource_name: named(&request.resource_name, "resourceName", before.map(|b| &b.resource_name))?,
            resource_namespace: named(&request.resource_namespace, "resourceNamespace", before.map(|b| &b.resource_namespace))?,
            lifecycle: wanted.lifecycle.or(before.map(|b| b.lifecycle)).unwrap_or_default(),
            frozen: wanted.frozen.or(before.map(|b| b.frozen)).unwrap_or_default(),
            subject,
            key,
        };
        answers.push(shown(&association, wanted.schema.as_ref()));
        let conflict = |why: &str| {
            let AssociationKey { resource_id, resource_type, association_type } = &association.key;
            Err(ApiError::new(409, format!("The {association_type} of {resource_type} '{resource_id}' {why}")))
        };
        match before {
            Some(before) if *before == association => continue,
            Some(_) if !update => return conflict("is associated with another subject, or in another way"),
            Some(before) if before.frozen => return conflict("is frozen: its association does not change any more"),
            _ => {}
        }
        let mut others = state.associations().filter(|a| a.subject == association.subject && a.key != association.key);
        if others.any(|a| {
            let strong = a.lifecycle == Lifecycle::Strong || association.lifecycle == Lifecycle::Strong;
            strong && a.key.resource_id != association.key.resource_id
        }) {
            return conflict("cannot have a subject that is another resource's with the lifecycle STRONG");
        }
        records.push(Record::Association(association.key.clone(), Some(association)));
    }
    let answer = json!({
        "resourceName": request.resource_name,
        "resourceNamespace": request.resource_namespace,
        "resourceId": resource_id,
        "resourceType": resource_type,
        "associations": answers,
    });
    Ok(Decision { records, answer })
}

fn shown(association: &Association, schema: Option<&Value>) -> Value {
    let Association { subject, key, lifecycle, frozen, .. } = association;
    let mut shown =
        json!({"subject": subject, "associationType": key.association_type, "lifecycle": lifecycle, "frozen": frozen});
    if let Some(schema) = schema {
        shown["schema"] = schema.clone();
    }
    shown
}

/// The same for the same association on every worker.
fn digest(key: &AssociationKey, subject: &str) -> [u8; 16] {
    use md5::{Digest as _, Md5};
    let mut md5 = Md5::new();
    for part in [&key.resource_id, &key.resource_type, &key.association_type, subject] {
        md5.update((part.len() as u64).to_be_bytes());
        md5.update(part);
    }
    md5.finalize().into()
}

/// Which associations a request means.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub resource_type: Option<String>,
    /// None: all.
    pub types: Vec<String>,
    pub lifecycle: Option<Lifecycle>,
}

impl Filter {
    pub fn takes(&self, association: &Association) -> bool {
        let key = &association.key;
        self.resource_type.as_ref().is_none_or(|t| *t == key.resource_type)
            && (self.types.is_empty() || self.types.contains(&key.association_type))
            && self.lifecycle.is_none_or(|l| l == association.lifecycle)
    }
}

/// Takes them back; `cascade` deletes the subjects that live only with the resource, not for good.
pub fn dissociate(state: &State, resource_id: &str, filter: &Filter, cascade: bool) -> Result<Decision, ApiError> {
    let mut records = Vec::new();
    for association in state.associations().filter(|a| a.key.resource_id == resource_id && filter.takes(a)) {
        let subject = Subject::parse(&association.subject);
        command::writable(state, Some(&subject))?;
        records.push(Record::Association(association.key.clone(), None));
        if cascade && association.lifecycle == Lifecycle::Strong && state.latest(&subject).is_some() {
            records.extend(command::delete_subject(state, &subject)?.records);
        }
    }
    Ok(Decision { records, answer: Value::Null })
}
