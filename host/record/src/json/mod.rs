//! JSON text, to the letter of Jackson: scanning without a tree and writing straight into bytes. Knows no schema.

mod edit;
mod number;
mod scan;
mod write;

pub use edit::members;
pub(crate) use edit::{edit, find};
pub use number::{java_f32, java_f64};
pub use scan::{Bad, NodeType, Scanner};
pub use write::{base64_decoded, base64_into, base64_quoted, float, integer, quoted};

#[cfg(test)]
mod tests;
