//! What the server says of a table: its columns, their types, its keys.

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

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    pub name: String,
    /// `pg_type.typname` of the type, of a domain its base.
    pub base: String,
    /// The type as SQL text, without a length.
    pub sql: String,
    /// The type as SQL text, with its length, precision and scale.
    pub full: String,
    /// `pg_attribute.atttypmod`: length, precision and scale; -1 where the type has none.
    pub modifier: i32,
    /// Of an array: its elements.
    pub element: Option<Box<Column>>,
    /// Computed by the server: never written.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub identity_always: bool,
    /// In the primary key.
    pub key: bool,
    pub not_null: bool,
    /// Of a type that a domain names: it is the user's, and never changed.
    pub domain: bool,
}

impl Column {
    /// How many characters go into it, of a text of limited length.
    pub fn length(&self) -> Option<i32> {
        (matches!(self.base.as_str(), "varchar" | "bpchar") && self.modifier >= 4).then_some(self.modifier - 4)
    }

    /// Precision and scale, of a `numeric` that has them.
    pub fn digits(&self) -> Option<(i32, i32)> {
        if self.base != "numeric" || self.modifier < 4 {
            return None;
        }
        let packed = self.modifier - 4;
        // The scale is a number of eleven bits with a sign.
        Some((packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    /// The columns of each index over which `ON CONFLICT` can be decided.
    pub unique: Vec<Vec<String>>,
    /// An ordinary or a partitioned table: what `ALTER TABLE` may change.
    pub plain: bool,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// Reads a table; none when there is no such table.
pub fn read(connection: &mut dyn Connection, name: &TableName) -> Result<Option<Table>, Error> {
    let table = quote_literal(&name.sql());
    let rows = connection.query(&format!(
        "SELECT a.attname, b.typname, format_type(b.oid, -1), format_type(a.atttypid, a.atttypmod), a.atttypmod, \
         coalesce(e.typname, ''), coalesce(format_type(e.oid, -1), ''), a.attgenerated <> '', a.attidentity = 'a', \
         coalesce(a.attnum = ANY (i.indkey), false), a.attnotnull, t.typtype = 'd', c.relkind IN ('r', 'p') \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_type d ON t.typtype = 'd' AND d.oid = t.typbasetype \
         JOIN pg_type b ON b.oid = CASE WHEN t.typtype <> 'd' THEN t.oid WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END \
         LEFT JOIN pg_type e ON b.typcategory = 'A' AND e.oid = b.typelem \
         LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         WHERE a.attrelid = to_regclass({table})::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    ))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut table_read = Table::default();
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, base, sql, full, modifier) = (next(), next(), next(), next(), next().parse().unwrap_or(-1));
        let (element, element_sql) = (next(), next());
        let mut flag = || next() == "t";
        let (generated, identity_always, key, not_null, domain) = (flag(), flag(), flag(), flag(), flag());
        table_read.plain = flag();
        // The length of an array's type is that of its elements.
        let element = (!element.is_empty()).then(|| {
            let (name, full) = (name.clone(), full.trim_end_matches("[]").to_owned());
            Box::new(Column { name, base: element, sql: element_sql, full, modifier, domain, ..Column::default() })
        });
        table_read.columns.push(Column {
            name,
            base,
            sql,
            full,
            modifier,
            element,
            generated,
            identity_always,
            key,
            not_null,
            domain,
        });
    }
    table_read.unique = unique(connection, &table)?;
    Ok(Some(table_read))
}

/// Valid, immediate, without conditions and expressions: what `ON CONFLICT (columns)` finds.
fn unique(connection: &mut dyn Connection, table: &str) -> Result<Vec<Vec<String>>, Error> {
    let rows = connection.query(&format!(
        "SELECT i.indexrelid, a.attname FROM pg_index i \
         JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place) ON k.place <= i.indnkeyatts \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indrelid = to_regclass({table})::oid AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY i.indexrelid, k.place"
    ))?;
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let [Some(index), Some(column)] = &row[..] else { continue };
        match found.last_mut().filter(|(last, _)| last == index) {
            Some((_, columns)) => columns.push(column.clone()),
            None => found.push((index.clone(), vec![column.clone()])),
        }
    }
    Ok(found.into_iter().map(|(_, columns)| columns).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_digits_come_out_of_the_modifier() {
        let of = |base: &str, modifier| Column { base: base.into(), modifier, ..Column::default() };
        assert_eq!(of("varchar", 14).length(), Some(10));
        assert_eq!(of("varchar", -1).length(), None);
        assert_eq!(of("numeric", (10 << 16 | 2) + 4).digits(), Some((10, 2)));
        assert_eq!(of("numeric", (3 << 16 | (-2 & 0x7ff)) + 4).digits(), Some((3, -2)));
        assert_eq!(of("numeric", -1).digits(), None);
        assert_eq!(of("int4", -1).digits(), None);
    }
}
