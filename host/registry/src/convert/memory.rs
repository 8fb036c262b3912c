//! A registry in memory, for the tests of converters.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::client::{Asked, Registered, Registration, RegistryError, SchemaClient};
use crate::{ParsedSchema, Reference, SchemaType};

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Entry>>);

/// A subject, and what is registered under it.
type Entry = (String, Arc<Registered>);

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Registers a text and answers its id.
    pub fn add(&self, subject: &str, of: SchemaType, text: &str) -> i32 {
        let parsed = ParsedSchema::parse(of, text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut all = self.all();
        if let Some((_, known)) = all.iter().find(|(s, r)| s == subject && &*r.text == text) {
            return known.id;
        }
        let id = all.len() as i32 + 1;
        let registered = Registered { id, version: None, text: text.into(), references: Vec::new(), parsed };
        all.push((subject.to_owned(), Arc::new(registered)));
        id
    }

    pub fn text(&self, id: i32) -> Arc<str> {
        self.all()[id as usize - 1].1.text.clone()
    }
}

fn none<T>(code: i32, message: &str) -> Asked<T> {
    Asked::Known(Err(RegistryError { code, message: message.to_owned() }))
}

impl SchemaClient for Memory {
    fn by_id(&self, id: i32, _: &str) -> Asked<Arc<Registered>> {
        let found = self.all().iter().find(|(_, r)| r.id == id).map(|(_, r)| r.clone());
        found.map_or_else(|| none(40403, "Schema not found"), |r| Asked::Known(Ok(r)))
    }

    fn id_of(
        &self,
        subject: &str,
        of: SchemaType,
        text: &Arc<str>,
        _: &[Reference],
        how: Registration,
    ) -> Asked<Arc<Registered>> {
        if how.register {
            let id = self.add(subject, of, text);
            return self.by_id(id, subject);
        }
        let found = self.all().iter().find(|(s, r)| s == subject && r.text == *text).map(|(_, r)| r.clone());
        found.map_or_else(|| none(40403, "Schema not found"), |r| Asked::Known(Ok(r)))
    }

    fn latest(&self, subject: &str) -> Asked<Arc<Registered>> {
        let found = self.all().iter().rev().find(|(s, _)| s == subject).map(|(_, r)| r.clone());
        found.map_or_else(|| none(40401, "Subject not found"), |r| Asked::Known(Ok(r)))
    }
}
