//! Maps without a schema: JSON objects whose members stand as they are written. Only those that are named are read.

use std::borrow::Cow;

use millrace_record::json_text;
use millrace_record::row::RowBuf;
use serde_json::Value;

use super::rows::json_class;

/// The members of an object in their order, each name once: a name and a JSON text.
#[derive(Debug, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Object<'a> {
    /// A value without a schema as a map, or Connect's refusal.
    pub fn required(text: &'a str, purpose: &str) -> Result<Object<'a>, String> {
        match Object::read(text)? {
            Some(object) => Ok(object),
            None => {
                let class = json_class(&value(text)?);
                Err(format!("Only Map objects supported in absence of schema for [{purpose}], found: {class}"))
            }
        }
    }

    /// None: it is another value.
    pub fn read(text: &'a str) -> Result<Option<Object<'a>>, String> {
        let Some(members) = json_text::members(text).map_err(|e| format!("not JSON: {e}"))? else { return Ok(None) };
        let mut object = Object { members: Vec::with_capacity(members.len() + 2) };
        for (name, text) in members {
            object.put(name, Cow::Borrowed(text));
        }
        Ok(Some(object))
    }

    /// The text of a member that is not null.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, text)| &**text).filter(|text| *text != "null")
    }

    /// A member's value; null where there is none.
    pub fn value(&self, name: &str) -> Result<Value, String> {
        self.get(name).map_or(Ok(Value::Null), value)
    }

    /// Sets a member, which keeps its place, or comes last.
    pub fn set(&mut self, name: &str, value: &Value) {
        let text = value.to_string();
        match self.members.iter_mut().find(|(n, _)| n == name) {
            Some(member) => member.1 = Cow::Owned(text),
            None => self.members.push((Cow::Owned(name.to_owned()), Cow::Owned(text))),
        }
    }

    /// The same with a text that is JSON already.
    pub fn put(&mut self, name: Cow<'a, str>, text: Cow<'a, str>) {
        match self.members.iter_mut().find(|(n, _)| *n == name) {
            Some(member) => member.1 = text,
            None => self.members.push((name, text)),
        }
    }

    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, text)| (&**name, &**text))
    }

    pub fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.members.into_iter()
    }

    /// Keeps the members that it answers true for.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.members.retain(|(name, _)| keep(name));
    }

    /// Appends it as a root row, and answers what a part without a schema answers.
    pub fn write(&self, rows: &mut RowBuf) -> Option<Option<u32>> {
        let root = rows.begin(1);
        rows.bytes_with(root, 0, |out| {
            let mut separator = b'{';
            for (name, text) in &self.members {
                out.push(separator);
                separator = b',';
                json_text::quoted(name.as_bytes(), out);
                out.push(b':');
                out.extend_from_slice(text.as_bytes());
            }
            if self.members.is_empty() {
                out.push(b'{');
            }
            out.push(b'}');
        });
        Some(None)
    }
}

/// A JSON text as a value.
pub fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))
}

/// Appends a JSON text as a root row; null is a null part.
pub fn text(json: &str, rows: &mut RowBuf) -> Option<Option<u32>> {
    if json == "null" {
        return None;
    }
    let root = rows.begin(1);
    rows.text(root, 0, json);
    Some(None)
}
