//! What the server's catalogs say of tables and types.

use std::collections::HashMap;
use std::rc::Rc;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgType {
    pub oid: u32,
    pub schema: String,
    /// As in `pg_type.typname`: `int4`, `_text`, `mood`.
    pub name: String,
    pub kind: PgKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PgKind {
    Base,
    /// Its labels, in their order.
    Enum(Vec<String>),
    /// The type below, which may be a domain too, and the domain's own modifier (-1: none).
    Domain { base: u32, modifier: i32 },
    /// The elements' type, and what separates them (`,`; `;` for `box`).
    Array { element: u32, delimiter: u8 },
    Range,
    Multirange,
    Composite,
}

/// The types that columns have, and those they are made of.
#[derive(Debug, Clone, Default)]
pub struct Types(pub HashMap<u32, Rc<PgType>>);

impl Types {
    pub fn get(&self, oid: u32) -> Option<&Rc<PgType>> {
        self.0.get(&oid)
    }
}

/// A table, as far as records of it need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `d` the primary key, `f` all columns, `i` an index, `n` nothing.
    pub replica_identity: char,
    /// `r` a table, `p` a partitioned one.
    pub kind: char,
    /// In the order of `attnum`; dropped ones are left out.
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
    /// `atttypmod`; -1: none.
    pub modifier: i32,
    pub not_null: bool,
    /// `pg_get_expr` of its default: `'it''s'::text`, `nextval('s'::regclass)`.
    pub default: Option<String>,
    /// Generated always as stored: the log does not carry it.
    pub generated: bool,
    /// Its place in the primary key, from 0.
    pub key: Option<u16>,
    /// Its place in the replica identity's index, from 0.
    pub identity: Option<u16>,
}
