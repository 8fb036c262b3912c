//! What the server's catalogs say of tables and types.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::Error;
use millrace_plugin::postgres::Rowset;

use crate::connection::{Connection, Wal};
use crate::options::Options;

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
    Domain {
        base: u32,
        modifier: i32,
    },
    /// The elements' type, and what separates them (`,`; `;` for `box`).
    Array {
        element: u32,
        delimiter: u8,
    },
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

    /// The enum that values of a type are made of: its own, its elements', that of the type below a domain.
    pub fn enum_of(&self, mut oid: u32) -> Option<u32> {
        for _ in 0..DEPTH_MAX {
            match self.get(oid)?.kind {
                PgKind::Enum(_) => return Some(oid),
                PgKind::Domain { base, .. } => oid = base,
                PgKind::Array { element, .. } => oid = element,
                _ => return None,
            }
        }
        None
    }
}

/// Domains and arrays are followed no deeper than this; the server's own are never deeper.
pub const DEPTH_MAX: u32 = 32;

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
    /// Where its rows are kept: another file means that they were written anew, which snapshots of before do not see.
    pub file: u32,
    /// Its key is a primary key that is checked at once, which the log tells of a table whose replica identity is `d`.
    pub primary: bool,
    /// In the order of `attnum`; dropped ones are left out.
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `attnum`, which it keeps under another name.
    pub number: i16,
    pub name: String,
    pub type_oid: u32,
    /// `atttypmod`; -1: none.
    pub modifier: i32,
    pub not_null: bool,
    /// `pg_get_expr` of its default: `'it''s'::text`, `nextval('s'::regclass)`. None where it is generated.
    pub default: Option<String>,
    /// Generated always as stored: the log does not carry it.
    pub generated: bool,
    /// Its place in the primary key, or in the first unique index where there is none; from 1.
    pub key: Option<u16>,
    /// Its place in the first unique index that is not the primary key's.
    pub unique: Option<u16>,
}

/// The forms in which values are read as text. They depend on settings of the session, which a role or a database may have
/// set to something else.
const SESSION: &str = "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; \
     SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lc_monetary = 'C'; SET client_encoding = 'UTF8'; \
     SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET search_path = ''";

/// To be called on each new connection.
pub fn prepare(connection: &mut dyn Connection) -> Result<(), Error> {
    connection.query(SESSION).map(drop)
}

/// To be called on each new connection in replication mode.
pub fn prepare_wal(wal: &mut dyn Wal) -> Result<(), Error> {
    SESSION.split("; ").try_for_each(|statement| wal.query(statement).map(drop))
}

/// All types.
pub fn types(connection: &mut dyn Connection) -> Result<Types, Error> {
    let labels = connection.query("SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder")?;
    let mut enums: HashMap<u32, Vec<String>> = HashMap::new();
    for row in &labels.rows {
        enums.entry(number(row, 0)?).or_default().push(text(row, 1)?.to_owned());
    }
    let found = connection.query(
        "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typelem, t.typbasetype, t.typtypmod, e.typdelim \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typlen = -1 AND t.typcategory = 'A'",
    )?;
    let mut types = Types::default();
    for row in &found.rows {
        let oid = number(row, 0)?;
        let delimiter = row.get(7).and_then(Option::as_deref).and_then(|d| d.bytes().next());
        let kind = match (text(row, 3)?, delimiter) {
            ("e", _) => PgKind::Enum(enums.remove(&oid).unwrap_or_default()),
            ("d", _) => PgKind::Domain { base: number(row, 5)?, modifier: number(row, 6)? },
            ("c", _) => PgKind::Composite,
            ("r", _) => PgKind::Range,
            ("m", _) => PgKind::Multirange,
            (_, Some(delimiter)) => PgKind::Array { element: number(row, 4)?, delimiter },
            _ => PgKind::Base,
        };
        let (schema, name) = (text(row, 1)?.to_owned(), text(row, 2)?.to_owned());
        types.0.insert(oid, Rc::new(PgType { oid, schema, name, kind }));
    }
    Ok(types)
}

/// The labels of some enums, in their order.
pub fn labels(connection: &mut dyn Connection, enums: &[u32]) -> Result<HashMap<u32, Vec<String>>, Error> {
    let list = enums.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let found = connection.query(&format!(
        "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum WHERE enumtypid IN ({list}) ORDER BY enumtypid, enumsortorder"
    ))?;
    let mut labels: HashMap<u32, Vec<String>> = HashMap::new();
    for row in &found.rows {
        labels.entry(number(row, 0)?).or_default().push(text(row, 1)?.to_owned());
    }
    Ok(labels)
}

/// The tables that are captured, by name.
pub fn tables(connection: &mut dyn Connection, options: &Options) -> Result<Vec<Table>, Error> {
    // Partitions stand for themselves, unless their changes come as those of the table they are part of.
    let which = if options.via_root { "NOT c.relispartition" } else { "c.relkind = 'r'" };
    let mut tables = read_tables(connection, which)?;
    tables.retain(|t| options.captures(t));
    Ok(tables)
}

/// A table as it is now. None: it is gone.
pub fn table(connection: &mut dyn Connection, oid: u32) -> Result<Option<Table>, Error> {
    Ok(read_tables(connection, &format!("c.oid = {oid}"))?.into_iter().next())
}

fn read_tables(connection: &mut dyn Connection, which: &str) -> Result<Vec<Table>, Error> {
    let place = |of: &str| {
        format!(
            "(SELECT u.place FROM pg_catalog.unnest({of}.indkey) WITH ORDINALITY u(attnum, place) \
              WHERE u.attnum = a.attnum AND u.place <= {of}.indnkeyatts)"
        )
    };
    let keys = |and: &str| {
        format!(
            "SELECT DISTINCT ON (i.indrelid) i.indrelid, i.indkey, i.indnkeyatts, i.indisprimary AND i.indimmediate AS indprimary \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
             WHERE i.indisvalid AND i.indisunique AND {and} ORDER BY i.indrelid, i.indisprimary DESC, x.relname"
        )
    };
    let whole = "i.indpred IS NULL AND i.indexprs IS NULL";
    // With its table named, pg_get_expr locks it, and waits behind a change of the table that may itself wait for the snapshot
    // of this very task: for ever, since the server does not see the whole circle. A default has no columns to name.
    let found = connection.query(&format!(
        "WITH keys AS ({}), uniques AS ({}) \
         SELECT c.oid, n.nspname, c.relname, c.relreplident, c.relkind, \
           a.attname, a.atttypid, a.atttypmod, a.attnotnull, \
           CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, 0) END, a.attgenerated, \
           {}, {}, a.attnum, COALESCE(k.indprimary, false), c.relfilenode \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
         LEFT JOIN keys k ON k.indrelid = c.oid LEFT JOIN uniques q ON q.indrelid = c.oid \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND {which} ORDER BY 2, 3, a.attnum",
        keys(&format!("(i.indisprimary OR ({whole}))")),
        keys(&format!("NOT i.indisprimary AND {whole}")),
        place("k"),
        place("q"),
    ))?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &found.rows {
        let oid = number(row, 0)?;
        if tables.last().is_none_or(|t| t.oid != oid) {
            let letter = |i| Ok::<char, Error>(text(row, i)?.chars().next().unwrap_or(' '));
            let (schema, name) = (text(row, 1)?.to_owned(), text(row, 2)?.to_owned());
            let (replica_identity, kind, primary) = (letter(3)?, letter(4)?, text(row, 14)? == "t");
            let file = number(row, 15)?;
            tables.push(Table { oid, schema, name, replica_identity, kind, file, primary, columns: Vec::new() });
        }
        let (Some(table), Some(Some(name))) = (tables.last_mut(), row.get(5)) else { continue };
        let place = |i: usize| row.get(i).and_then(Option::as_deref).and_then(|k| k.parse().ok());
        table.columns.push(Column {
            number: number(row, 13)?,
            name: name.clone(),
            type_oid: number(row, 6)?,
            modifier: number(row, 7)?,
            not_null: text(row, 8)? == "t",
            default: row.get(9).cloned().flatten(),
            generated: text(row, 10)? == "s",
            key: place(11),
            unique: place(12),
        });
    }
    Ok(tables)
}

/// A value of a catalog, which is not null.
pub fn text(row: &[Option<String>], column: usize) -> Result<&str, Error> {
    row.get(column)
        .and_then(Option::as_deref)
        .ok_or_else(|| Error::fatal("postgres.catalog", format!("column {column} of a catalog is null")))
}

/// A number out of a catalog.
pub fn number<T: std::str::FromStr>(row: &[Option<String>], column: usize) -> Result<T, Error> {
    let value = text(row, column)?;
    value.parse().map_err(|_| Error::fatal("postgres.catalog", format!("a catalog has \"{value}\" where a number is expected")))
}

/// The first row of an answer that has one.
pub fn first(rows: &Rowset) -> Result<&[Option<String>], Error> {
    rows.rows
        .first()
        .map(Vec::as_slice)
        .ok_or_else(|| Error::fatal("postgres.catalog", "the server answered no row where one is expected"))
}
