//! What a table lacks for the records of a schema: columns to add, columns to widen; and the SQL that gives it them.
//!
//! Tables only grow: a column is added, widened, or freed of `NOT NULL`; never dropped, narrowed or renamed. So records of
//! an older schema go on into the table, in whatever order the two come, and a change made twice is made once.

use millrace_plugin::postgres::quote_ident;

use crate::catalog::{Table, TableName};
use crate::plan::{Draft, Shape, Wanted, column_type, rules};
use crate::widening::{self, Wider};

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Add {
        column: String,
        /// Its type, default and nullability.
        definition: String,
        /// It has a value in every row, and none for the rows that are there.
        needs_empty: bool,
    },
    Widen {
        column: String,
        from: String,
        wider: Wider,
    },
    /// Nulls have to go in.
    Relax {
        column: String,
    },
}

impl Step {
    pub fn clause(&self) -> String {
        match self {
            Step::Add { column, definition, .. } => {
                format!("ADD COLUMN IF NOT EXISTS {} {definition}", quote_ident(column))
            }
            Step::Widen { column, wider, .. } => {
                let name = quote_ident(column);
                let using = wider.using.as_ref().map(|u| format!(" USING {name}{u}")).unwrap_or_default();
                format!("ALTER COLUMN {name} TYPE {}{using}", wider.to)
            }
            Step::Relax { column } => format!("ALTER COLUMN {} DROP NOT NULL", quote_ident(column)),
        }
    }

    /// Records go in without it, as far as their values do.
    pub fn may_fail(&self) -> bool {
        !matches!(self, Step::Add { .. })
    }

    /// The label of the metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Add { .. } => "add_column",
            Step::Widen { .. } => "widen_column",
            Step::Relax { .. } => "drop_not_null",
        }
    }
}

/// `ALTER TABLE`, with all the steps in one pass over the table.
pub fn alter<'a>(table: &TableName, steps: impl IntoIterator<Item = &'a Step>) -> String {
    let clauses: Vec<_> = steps.into_iter().map(Step::clause).collect();
    format!("ALTER TABLE {} {}", table.sql(), clauses.join(", "))
}

/// What a table lacks for the records of a draft. The error says why the table cannot be given it.
pub fn steps(draft: &Draft, table: &Table) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for w in &draft.wanted {
        match table.column(&w.name) {
            Some(column) => {
                if let Some(wider) = widening::widened(column, &w.schema).filter(|_| table.plain) {
                    steps.push(Step::Widen { column: w.name.clone(), from: column.full.clone(), wider });
                }
            }
            // A delete without a value names the key alone, and finds nothing where there is no such column.
            None if w.key || draft.shape == Shape::Tombstone => return Err(without_key(draft, table, w)),
            None => {
                let rules = rules(w);
                let needs_empty = !w.schema.optional && !rules.contains("DEFAULT");
                steps.push(Step::Add { column: w.name.clone(), definition: format!("{}{rules}", column_type(w)?), needs_empty });
            }
        }
    }
    Ok(steps)
}

/// The key of records is not that of the table.
fn without_key(draft: &Draft, table: &Table, wanted: &Wanted) -> String {
    let key: Vec<_> = table.columns.iter().filter(|c| c.key).map(|c| quote_ident(&c.name)).collect();
    let key = if key.is_empty() { "none".to_owned() } else { key.join(", ") };
    format!(
        "the table {} lacks \"{}\", a column of the records' key, which is not added to a table that exists (its primary key: {key}): \
         add it with a unique index over the key, or write to a new table",
        draft.table.sql(),
        wanted.name
    )
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use millrace_plugin::Schema;

    use super::*;
    use crate::catalog::Column;
    use crate::plan::Origin;

    fn draft(fields: &[(&str, Schema)]) -> Draft {
        let wanted = fields.iter().enumerate().map(|(i, (name, schema))| Wanted {
            name: (*name).to_owned(),
            origin: Origin::Value(i),
            schema: Rc::new(schema.clone()),
            key: i == 0,
        });
        let table = TableName { schema: Some("s".into()), table: "T\"x".into() };
        Draft { table, shape: Shape::Flat, wanted: wanted.collect() }
    }

    fn table(columns: &[(&str, &str)]) -> Table {
        let columns = columns.iter().map(|(name, base)| Column {
            name: (*name).to_owned(),
            base: (*base).to_owned(),
            sql: (*base).to_owned(),
            full: (*base).to_owned(),
            modifier: -1,
            ..Column::default()
        });
        Table { columns: columns.collect(), plain: true, ..Table::default() }
    }

    #[test]
    fn one_statement_has_all_the_steps_with_names_quoted() {
        let draft = draft(&[
            ("id", Schema::int64()),
            ("a b", Schema::text().optional()),
            ("n", Schema::int32().default_json("7")),
            ("must", Schema::int32()),
        ]);
        let table = table(&[("id", "int4")]);
        let steps = steps(&draft, &table).unwrap();
        assert_eq!(
            alter(&draft.table, &steps),
            "ALTER TABLE \"s\".\"T\"\"x\" ALTER COLUMN \"id\" TYPE bigint, ADD COLUMN IF NOT EXISTS \"a b\" text, \
             ADD COLUMN IF NOT EXISTS \"n\" integer DEFAULT 7 NOT NULL, ADD COLUMN IF NOT EXISTS \"must\" integer NOT NULL"
        );
        let needs: Vec<bool> = steps.iter().map(|s| matches!(s, Step::Add { needs_empty: true, .. })).collect();
        assert_eq!(needs, [false, false, false, true]);
    }

    #[test]
    fn a_table_that_has_more_or_wider_columns_is_left_alone() {
        let draft = draft(&[("id", Schema::int16()), ("f", Schema::float32())]);
        assert_eq!(steps(&draft, &table(&[("id", "int8"), ("f", "float8"), ("old", "text")])), Ok(vec![]));
        let view = Table { plain: false, ..table(&[("id", "int2"), ("f", "float4")]) };
        assert_eq!(steps(&draft, &view), Ok(vec![]));
    }

    #[test]
    fn a_column_of_the_key_is_not_added() {
        let why = steps(&draft(&[("id", Schema::int16())]), &table(&[("x", "int8")])).unwrap_err();
        assert!(why.contains("\"s\".\"T\"\"x\"") && why.contains("\"id\"") && why.contains("unique index"), "{why}");
    }
}
