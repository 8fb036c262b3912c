//! What the server says of a table: its columns, their types, its key.

use millrace_plugin::Error;
use millrace_plugin::postgres::{quote_literal, quote_qualified};

use crate::connection::Connection;

/// Where a table is. Without a schema the connection's `search_path` decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    pub schema: Option<String>,
    pub table: String,
}

impl TableName {
    /// Quoted, for statements.
    pub fn sql(&self) -> String {
        quote_qualified(self.schema.as_deref(), &self.table)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `pg_type.typname` of the type, of a domain its base.
    pub base: String,
    /// The type as SQL text, without a length.
    pub sql: String,
    /// Of an array: its elements.
    pub element: Option<Box<Column>>,
    /// Computed by the server: never written.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub identity_always: bool,
    /// In the primary key.
    pub key: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<Column>,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// Reads a table; none when there is no such table.
pub fn read(connection: &mut dyn Connection, name: &TableName) -> Result<Option<Table>, Error> {
    let rows = connection.query(&format!(
        "SELECT a.attname, b.typname, format_type(b.oid, -1), coalesce(e.typname, ''), coalesce(format_type(e.oid, -1), ''), \
         a.attgenerated <> '', a.attidentity = 'a', coalesce(a.attnum = ANY (i.indkey), false) \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_type d ON t.typtype = 'd' AND d.oid = t.typbasetype \
         JOIN pg_type b ON b.oid = CASE WHEN t.typtype <> 'd' THEN t.oid WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END \
         LEFT JOIN pg_type e ON b.typcategory = 'A' AND e.oid = b.typelem \
         LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         WHERE a.attrelid = to_regclass({})::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        quote_literal(&name.sql())
    ))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = rows.into_iter().map(|row| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, base, sql, element, element_sql) = (next(), next(), next(), next(), next());
        let (generated, identity_always, key) = (next() == "t", next() == "t", next() == "t");
        let element = (!element.is_empty()).then(|| {
            let (name, base, sql) = (name.clone(), element, element_sql);
            Box::new(Column { name, base, sql, element: None, generated: false, identity_always: false, key: false })
        });
        Column { name, base, sql, element, generated, identity_always, key }
    });
    Ok(Some(Table { columns: columns.collect() }))
}
