//! Parsed schemas, as many as were used lately: most requests are about few schemas, and a registry holds many.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use md5::{Digest as _, Md5};
use parking_lot::Mutex;

use super::record::{Content, Digest};
use super::state::State;
use super::subject::Subject;
use crate::{InvalidSchema, ParsedSchema, Reference, SchemaType};

/// How many schemas a generation holds; there are two.
const GENERATION: usize = 1_000;
/// How many bytes of text a generation holds.
const GENERATION_BYTES: usize = 16 << 20;

/// A schema with the texts that it is compared by.
#[derive(Debug)]
pub struct Text {
    pub schema: ParsedSchema,
    pub canonical: Arc<str>,
    normalized: OnceLock<Arc<str>>,
}

impl Text {
    pub fn normalized(&self) -> &Arc<str> {
        self.normalized.get_or_init(|| self.schema.normalized().into())
    }

    pub fn stored(&self, normalize: bool) -> &Arc<str> {
        if normalize { self.normalized() } else { &self.canonical }
    }
}

#[derive(Default)]
struct Generations {
    new: HashMap<Digest, Arc<Text>>,
    bytes: usize,
    old: HashMap<Digest, Arc<Text>>,
}

/// The cache; those not asked for during a whole generation go.
#[derive(Default)]
pub struct Texts {
    generations: Mutex<Generations>,
}

impl Texts {
    /// A schema as `subject` would have it.
    pub fn parse(
        &self,
        state: &State,
        subject: &Subject,
        of: SchemaType,
        text: &str,
        references: &[Reference],
    ) -> Result<Arc<Text>, InvalidSchema> {
        let dependencies = state.dependencies(subject, references).map_err(InvalidSchema)?;
        let mut key = Md5::new();
        key.update([of as u8]);
        key.update(text.as_bytes());
        for dependency in &dependencies {
            key.update((dependency.name.len() as u64).to_be_bytes());
            key.update(dependency.name.as_bytes());
            key.update((dependency.text.len() as u64).to_be_bytes());
            key.update(dependency.text.as_bytes());
        }
        let key: Digest = key.finalize().into();
        {
            let mut generations = self.generations.lock();
            if let Some(text) = generations.new.get(&key) {
                return Ok(text.clone());
            }
            if let Some(found) = generations.old.remove(&key) {
                generations.put(key, found.clone(), text.len());
                return Ok(found);
            }
        }
        let schema = ParsedSchema::parse(of, text, &dependencies)?;
        let parsed = Arc::new(Text { canonical: schema.canonical().into(), schema, normalized: OnceLock::new() });
        self.generations.lock().put(key, parsed.clone(), text.len());
        Ok(parsed)
    }

    pub fn of(&self, state: &State, subject: &Subject, content: &Content) -> Result<Arc<Text>, InvalidSchema> {
        self.parse(state, subject, content.of, &content.text, &content.references)
    }
}

impl Generations {
    fn put(&mut self, key: Digest, text: Arc<Text>, bytes: usize) {
        if self.new.len() >= GENERATION || self.bytes + bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.new);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.new.insert(key, text);
    }
}
