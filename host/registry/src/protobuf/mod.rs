//! To be written beside this seam: ProtobufSchema, its compatibility rules and its differences.

use crate::{Change, Dependency, Incompatibility, InvalidSchema};

#[derive(Debug, Clone)]
pub struct ProtobufSchema(String);

impl ProtobufSchema {
    pub fn parse(text: &str, _dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        Ok(ProtobufSchema(text.to_owned()))
    }
    pub fn canonical(&self) -> String {
        self.0.clone()
    }
    pub fn normalized(&self) -> String {
        self.0.clone()
    }
}

pub fn cannot_read(_reader: &ProtobufSchema, _writer: &ProtobufSchema) -> Vec<Incompatibility> {
    Vec::new()
}

pub fn changes(_before: &ProtobufSchema, _after: &ProtobufSchema) -> Vec<Change> {
    Vec::new()
}
