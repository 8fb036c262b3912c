//! What differs between two schemas, for people.

use super::AvroSchema;
use crate::Change;

/// Field by field, from `before` to `after`.
pub fn changes(_before: &AvroSchema, _after: &AvroSchema) -> Vec<Change> {
    Vec::new()
}
