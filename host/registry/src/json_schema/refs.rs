//! Where references lead: names of schemas, their bases, and each `$ref` resolved once.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::draft::{self, Draft};
use super::{Place, uri};
use crate::InvalidSchema;

/// What the names of schemas lead to, and what is still to be looked at.
struct Names<'a> {
    documents: &'a [Value],
    draft: Draft,
    places: HashMap<String, Place>,
    /// Schemas with a `$ref`, with the base it is seen from.
    refs: Vec<(Rc<str>, Place, &'a Value)>,
    seen: HashSet<usize>,
}

/// The targets of all references, by the address of the schema that holds the `$ref`.
pub(super) fn resolve(documents: &[Value], names: &[&str], draft: Draft) -> Result<HashMap<usize, Place>, InvalidSchema> {
    let mut all = Names { documents, draft, places: HashMap::new(), refs: Vec::new(), seen: HashSet::new() };
    let root = all.base(0, "");
    all.walk(Place { document: 0, pointer: String::new() }, Rc::clone(&root));
    for (i, name) in names.iter().enumerate() {
        let place = Place { document: i + 1, pointer: String::new() };
        let (name, _) = uri::parts(name);
        // References call a dependency by its name or as that stands seen from the schema's own id.
        for called in [name.to_owned(), uri::join(&root, name)] {
            all.places.entry(called).or_insert_with(|| place.clone());
        }
        let base = all.base(i + 1, name);
        all.walk(place, base);
    }
    let mut targets = HashMap::new();
    while let Some((base, place, schema)) = all.refs.pop() {
        let Some(reference) = draft::reference(schema) else { continue };
        let target = all.target(&base, &place, reference).ok_or_else(|| unresolved(&place, reference))?;
        targets.insert(std::ptr::from_ref(schema).addr(), target.clone());
        // A reference may lead to a place that no keyword has led to.
        all.walk(target, base);
    }
    Ok(targets)
}

fn unresolved(place: &Place, reference: &str) -> InvalidSchema {
    let remedy = match uri::parts(reference).0 {
        "" => "there is nothing at that place of the schema",
        _ => "register that schema and list it in \"references\" under this name",
    };
    InvalidSchema(format!("cannot resolve the reference {reference:?} at #{}: {remedy}", place.pointer))
}

impl<'a> Names<'a> {
    /// The base of a document: its own id where it has one, seen from its name.
    fn base(&self, document: usize, name: &str) -> Rc<str> {
        let schema = &self.documents[document];
        let id = schema.get(Draft::of(schema, self.draft).id()).and_then(Value::as_str).unwrap_or("");
        uri::join(name, uri::parts(id).0).into()
    }

    /// Notes the names and the references of a schema and of all below it.
    fn walk(&mut self, place: Place, base: Rc<str>) {
        let documents = self.documents;
        let Some(schema) = documents[place.document].pointer(&place.pointer) else { return };
        let draft = Draft::of(&documents[place.document], self.draft);
        let mut left = vec![(place, base, schema)];
        while let Some((place, base, schema)) = left.pop() {
            if !self.seen.insert(std::ptr::from_ref(schema).addr()) {
                continue;
            }
            let base = self.named(&place, base, schema, draft);
            if draft::reference(schema).is_some() {
                self.refs.push((Rc::clone(&base), place.clone(), schema));
            }
            for (keyword, within, below) in draft::below(schema) {
                let pointer = draft::pointer(&place.pointer, keyword, within.as_deref());
                left.push((Place { document: place.document, pointer }, Rc::clone(&base), below));
            }
        }
    }

    /// The base within a schema, whose id and anchors are noted.
    fn named(&mut self, place: &Place, base: Rc<str>, schema: &Value, draft: Draft) -> Rc<str> {
        let mut base = base;
        if let Some(id) = schema.get(draft.id()).and_then(Value::as_str) {
            let (name, fragment) = uri::parts(id);
            if !name.is_empty() {
                base = uri::join(&base, name).into();
                self.places.entry(base.to_string()).or_insert_with(|| place.clone());
            }
            if !fragment.is_empty() {
                self.places.entry(format!("{base}#{fragment}")).or_insert_with(|| place.clone());
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = schema.get(keyword).and_then(Value::as_str) {
                self.places.entry(format!("{base}#{anchor}")).or_insert_with(|| place.clone());
            }
        }
        base
    }

    fn target(&self, base: &str, from: &Place, reference: &str) -> Option<Place> {
        let (name, fragment) = uri::parts(reference);
        let fragment = uri::unescaped(fragment);
        let named = uri::join(base, name);
        let anchored = || self.places.get(&format!("{named}#{fragment}")).cloned();
        let document = |place: &Place| Place { document: place.document, pointer: place.pointer.clone() };
        let root = Place { document: from.document, pointer: String::new() };
        let start = match () {
            _ if name.is_empty() => self.places.get(base).map_or(root, document),
            _ => document(self.places.get(&named).or_else(|| self.places.get(name))?),
        };
        if fragment.is_empty() {
            return Some(start);
        }
        if !fragment.starts_with('/') {
            return anchored();
        }
        let at = |place: Place| {
            let pointer = format!("{}{fragment}", place.pointer);
            let value = self.documents[place.document].pointer(&pointer)?;
            (value.is_object() || value.is_boolean()).then_some(Place { document: place.document, pointer })
        };
        // Within a schema that has an id of its own many write pointers from the root of the document all the same.
        at(start).or_else(|| at(Place { document: from.document, pointer: String::new() }).filter(|_| name.is_empty()))
    }
}
