//! A registry of one schema.

use std::sync::Arc;

use millrace_registry::client::{Asked, Registered, Registration, SchemaClient};
use millrace_registry::{ParsedSchema, Reference, SchemaType};
use parking_lot::Mutex;

#[derive(Debug, Default)]
pub struct One(Mutex<Option<Arc<Registered>>>);

impl One {
    pub fn text(&self) -> Arc<str> {
        self.registered().text.clone()
    }
    fn registered(&self) -> Arc<Registered> {
        self.0.lock().clone().expect("it is registered before it is read")
    }
}

impl SchemaClient for One {
    fn by_id(&self, _: i32, _: &str) -> Asked<Arc<Registered>> {
        Asked::Known(Ok(self.registered()))
    }
    fn id_of(&self, _: &str, of: SchemaType, text: &Arc<str>, _: &[Reference], _: Registration) -> Asked<Arc<Registered>> {
        let parsed = ParsedSchema::parse(of, text, &[]).expect("a schema of ours");
        let made = Registered { id: 1, version: Some(1), text: text.clone(), references: Vec::new(), parsed };
        *self.0.lock() = Some(Arc::new(made));
        self.by_id(1, "")
    }
    fn latest(&self, _: &str) -> Asked<Arc<Registered>> {
        self.by_id(1, "")
    }
}
