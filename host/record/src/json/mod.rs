//! JSON text, to the letter of Jackson: scanning without a tree and writing straight into bytes. Knows no schema.

mod edit;
mod number;
mod scan;
mod write;

pub use edit::members;
pub(crate) use edit::{edit, find};
pub use number::{java_f32, java_f64};
pub use scan::Bad;
pub(crate) use scan::{NodeType, Scanner};
pub(crate) use write::base64_into;
pub use write::quoted;

#[cfg(test)]
mod tests;
