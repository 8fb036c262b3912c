//! Protobuf: parsing, imports, canonical and normalized text, message indexes, compatibility, differences.
//!
//! Owns what a Protobuf schema of a registry is: one file with its imports linked, given as text or as a descriptor in Base64.
//! Promises that what is parsed is linked: every type is known. Well-known files need no dependency. Never reads files.

mod builtin;
mod changes;
mod compare;
mod compile;
mod options;
mod print;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use prost_types::FileDescriptorProto;

pub use self::changes::changes;
pub use self::compare::cannot_read;
use crate::{Dependency, InvalidSchema};

/// The longest text that is read. A schema is one record of a topic, and this is what topics take by default.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A parsed and linked schema, cheap to clone.
#[derive(Clone)]
pub struct ProtobufSchema {
    inner: Arc<Inner>,
}

struct Inner {
    /// As it was written: names of types not resolved, options not interpreted.
    written: FileDescriptorProto,
    file: FileDescriptor,
    canonical: String,
    normalized: OnceLock<String>,
}

impl std::fmt::Debug for ProtobufSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ProtobufSchema").field(&self.inner.canonical).finish()
    }
}

impl ProtobufSchema {
    /// From text, or from a `FileDescriptorProto` in Base64. Dependencies are what imports name.
    pub fn parse(text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        let (written, file) = compile::compile(text, dependencies)?;
        let canonical = print::print(&written);
        Ok(ProtobufSchema { inner: Arc::new(Inner { written, file, canonical, normalized: OnceLock::new() }) })
    }

    /// The schema printed in one layout, everything in its order and by the names it was written with.
    pub fn canonical(&self) -> String {
        self.inner.canonical.clone()
    }

    /// The schema printed with imports, options and fields sorted, and types by their full names.
    pub fn normalized(&self) -> String {
        self.inner.normalized.get_or_init(|| print::print(&options::normalized(&self.inner.file))).clone()
    }

    /// The file as a `FileDescriptorProto` in Base64, types and options resolved (`format=serialized`).
    pub fn serialized(&self) -> String {
        STANDARD.encode(self.inner.file.encode_to_vec())
    }

    /// [`ProtobufSchema::canonical`] without the extensions it declares and the options that are extensions
    /// (`format=ignore_extensions`).
    pub fn without_extensions(&self) -> String {
        print::print(&options::without_extensions(self.inner.written.clone()))
    }

    /// The linked file; its messages and enums are described from here.
    pub fn file(&self) -> &FileDescriptor {
        &self.inner.file
    }

    /// The file and all that it imports.
    pub fn pool(&self) -> &DescriptorPool {
        self.inner.file.parent_pool()
    }

    /// The file as it was written, before names were resolved.
    pub fn written(&self) -> &FileDescriptorProto {
        &self.inner.written
    }

    /// The message that a list of indexes names, as the wire format has it: its place in the file, then its place in that
    /// message. An empty list is the first message.
    pub fn message(&self, indexes: &[i32]) -> Option<MessageDescriptor> {
        let (first, below) = indexes.split_first().unwrap_or((&0, &[]));
        let mut message = self.inner.file.messages().nth(usize::try_from(*first).ok()?)?;
        for index in below {
            let child = message.child_messages().nth(usize::try_from(*index).ok()?)?;
            message = child;
        }
        Some(message)
    }

    /// A message of this file by its full name (`package.Outer.Inner`).
    pub fn message_named(&self, full_name: &str) -> Option<MessageDescriptor> {
        self.pool().get_message_by_name(full_name).filter(|message| message.parent_file() == self.inner.file)
    }

    /// The indexes that name a message of this file.
    pub fn indexes(&self, full_name: &str) -> Option<Vec<i32>> {
        let message = self.message_named(full_name)?;
        // The path of a descriptor has the number of the list before each index.
        Some(message.path().iter().skip(1).step_by(2).copied().collect())
    }
}
