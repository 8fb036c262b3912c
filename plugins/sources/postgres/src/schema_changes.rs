//! Schema changes as records of their own (`include.schema.changes`), in the shape that Debezium's connectors with such
//! records give them: each says what a captured table looks like from a place of the log on.
//!
//! What is known of each table is stored as an offset of its own, so that a change made while nobody looked is told, and
//! none is told twice.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use millrace_plugin::alerts::{self, ColumnChange, Difference, TableChange};
use millrace_plugin::{Error, Polled, RowBuf, RowMark, Schema, schema};
use serde_json::{Value as Json, json};

use crate::catalog::{PgKind, Types};
use crate::emit::{Emitter, meta};
use crate::envelope::{self, Origin, SourceBlock};
use crate::options::Options;
use crate::shape::{Announced, Before, Fact, Shape};

pub struct SchemaChanges {
    topic: String,
    prefix: String,
    database: String,
    key: u32,
    value: u32,
    /// What was told of each table, by its oid.
    told: HashMap<u32, String>,
    /// Announced, and not compared yet.
    pending: BTreeSet<u32>,
    /// Told since the last mark.
    dirty: BTreeSet<u32>,
    /// Between the parts of a topic's name.
    delimiter: String,
    /// Changes of tables that were known, not told to people yet.
    alerts: Vec<TableChange>,
}

/// One table of a change.
pub struct Change<'a> {
    pub kind: &'static str,
    pub announced: &'a Announced,
    pub shape: &'a Shape,
}

impl SchemaChanges {
    /// None: they are not asked for. `stored`: offsets of tables.
    pub fn new(options: &Options, stored: &[(u32, String)]) -> Result<Option<Self>, Error> {
        if !options.schema_changes {
            return Ok(None);
        }
        Ok(Some(SchemaChanges {
            topic: envelope::topic_name(&options.topic_prefix),
            prefix: options.topic_prefix.clone(),
            database: options.database.clone(),
            key: schema::intern(&Rc::new(key_schema()))?,
            value: schema::intern(&Rc::new(value_schema()))?,
            told: stored.iter().cloned().collect(),
            pending: BTreeSet::new(),
            dirty: BTreeSet::new(),
            delimiter: options.topic_delimiter.clone(),
            alerts: Vec::new(),
        }))
    }

    /// A table was announced: its next change compares it with what was told.
    pub fn announced(&mut self, oid: u32) {
        self.pending.insert(oid);
    }

    /// Whether a table is to be compared.
    pub fn take_pending(&mut self, oid: u32) -> bool {
        !self.pending.is_empty() && self.pending.remove(&oid)
    }

    /// Keeps what a table looks like; true where that is news.
    pub fn news(&mut self, announced: &Announced, shape: &Shape, types: &Types) -> bool {
        let description = description(announced, shape, types);
        let text = description.to_string();
        if self.told.get(&announced.oid) == Some(&text) {
            return false;
        }
        let before = self.told.insert(announced.oid, text);
        self.dirty.insert(announced.oid);
        if let Some(before) = before.and_then(|b| serde_json::from_str::<Json>(&b).ok()).filter(|b| b["columns"].is_array()) {
            self.alert(&announced.schema, &announced.name, differences(&before, &description, types));
        }
        true
    }

    pub fn is_told(&self, oid: u32) -> bool {
        self.told.contains_key(&oid)
    }

    /// A table is gone; true where it was known.
    pub fn forget(&mut self, oid: u32, schema: &str, name: &str) -> bool {
        let known = self.told.insert(oid, "{\"dropped\":true}".to_owned()).is_some_and(|t| !is_dropped(&t));
        self.dirty.insert(oid);
        if known {
            self.alert(schema, name, vec![difference("", Difference::Removed, Some(format!("{schema}.{name}")), None)]);
        }
        known
    }

    fn alert(&mut self, schema: &str, name: &str, changes: Vec<ColumnChange>) {
        let topic = envelope::topic_name(&[self.prefix.as_str(), schema, name].join(&self.delimiter));
        let table = format!("{schema}.{name}");
        self.alerts.push(TableChange { table, topic: Some(topic), position: None, statement: None, changes });
    }

    /// Marks what was told since the last time; `all`: and before.
    pub fn mark(&mut self, mut polled: Polled, through: usize, all: bool) -> Polled {
        let dirty = std::mem::take(&mut self.dirty);
        for (oid, text) in self.told.iter().filter(|(oid, _)| all || dirty.contains(oid)) {
            polled = polled.mark_at(through, &partition(&self.prefix, *oid), text.clone(), true);
        }
        polled
    }

    /// Writes one record for changes that one statement made.
    pub fn write(
        &mut self,
        emitter: &mut Emitter<'_>,
        types: &Types,
        changes: &[Change<'_>],
        ddl: Option<&str>,
        origin: Origin<'_>,
        now_us: u64,
    ) {
        for mut alert in self.alerts.drain(..) {
            alert.position = Some(origin.lsn.to_string());
            alert.statement = ddl.map(str::to_owned);
            alerts::table_changed(&alert);
        }
        let Some(first) = changes.first() else { return };
        let writer = &mut emitter.writer;
        let topic = writer.topic(&self.topic);
        writer.begin(meta(topic, Some(self.key), Some(self.value)));
        let rows = writer.rows();
        let value = rows.begin(6);
        let source = SourceBlock::new(&self.prefix, &self.database, &first.announced.schema, &first.announced.name);
        source.write(rows, value, 0, origin);
        rows.i64(value, 1, (now_us / 1000) as i64);
        rows.text(value, 2, &self.database);
        rows.text(value, 3, &first.announced.schema);
        if let Some(ddl) = ddl {
            rows.text(value, 4, ddl);
        }
        let list = rows.begin(changes.len());
        for (i, change) in changes.iter().enumerate() {
            let item = rows.begin(3);
            rows.text(item, 0, change.kind);
            let Announced { schema, name, .. } = change.announced;
            rows.text(item, 1, &format!("\"{}\".\"{schema}\".\"{name}\"", self.database));
            if change.kind != "DROP" {
                table(rows, item, change, types);
            }
            rows.end_nested(list, i, item);
        }
        rows.end_nested(value, 5, list);
        writer.end_value(value);
        let key = writer.rows().begin(1);
        writer.rows().text(key, 0, &self.database);
        writer.end_key(key);
        writer.end();
    }
}

fn is_dropped(text: &str) -> bool {
    text.starts_with("{\"dropped\"")
}

/// The source partition of a table's shape.
pub fn partition(prefix: &str, oid: u32) -> String {
    json!({ "server": prefix, "table": oid }).to_string()
}

/// The oid that such a partition names.
pub fn table_of(partition: &Json) -> Option<u32> {
    u32::try_from(partition.get("table")?.as_u64()?).ok()
}

/// What makes a table another one.
fn description(announced: &Announced, shape: &Shape, types: &Types) -> Json {
    let columns: Vec<Json> = announced
        .columns
        .iter()
        .zip(&shape.facts)
        .map(|(c, f)| {
            let labels = types.enum_of(c.type_oid).and_then(|e| labels(types, e)).map(<[String]>::len);
            json!([c.name, c.type_oid, c.modifier, f.not_null, f.default, labels])
        })
        .collect();
    json!({ "schema": announced.schema, "name": announced.name, "columns": columns, "key": shape.key })
}

fn difference(column: &str, kind: Difference, before: Option<String>, after: Option<String>) -> ColumnChange {
    ColumnChange { column: column.to_owned(), kind, before, after }
}

/// What has become of the columns of a table, by two descriptions of it.
fn differences(before: &Json, after: &Json, types: &Types) -> Vec<ColumnChange> {
    let columns = |of: &Json| of["columns"].as_array().cloned().unwrap_or_default();
    let (old, new) = (columns(before), columns(after));
    let name = |c: &Json| c[0].as_str().unwrap_or_default().to_owned();
    let shown = |c: &Json| written_type(c, types);
    let at = |list: &[Json], of: &str| list.iter().position(|c| c[0] == of);
    let mut found = Vec::new();
    if before["schema"] != after["schema"] || before["name"] != after["name"] {
        let table = |of: &Json| Some([&of["schema"], &of["name"]].map(|n| n.as_str().unwrap_or_default()).join("."));
        found.push(difference("", Difference::Renamed, table(before), table(after)));
    }
    // The column before, of those that stay.
    let stays = |c: &&Json| at(&old, &name(c)).is_some() && at(&new, &name(c)).is_some();
    let left_of = |list: &[Json], i: usize| list[..i].iter().rfind(stays).map(name);
    // A column that went and one that came in its place, with the same type: it was renamed.
    let renamed = |i: usize, taken: &BTreeSet<String>| {
        let same = |(j, c): &(usize, &Json)| {
            at(&old, &name(c)).is_none()
                && !taken.contains(&name(c))
                && c[1] == old[i][1]
                && left_of(&new, *j) == left_of(&old, i)
        };
        new.iter().enumerate().find(same).map(|(_, c)| name(c))
    };
    let mut taken = BTreeSet::new();
    for (i, column) in old.iter().enumerate() {
        let old_name = name(column);
        let Some(now) = at(&new, &old_name) else {
            found.push(match renamed(i, &taken) {
                Some(to) => {
                    taken.insert(to.clone());
                    difference(&to, Difference::Renamed, Some(old_name), Some(to.clone()))
                }
                None => difference(&old_name, Difference::Removed, Some(shown(column)), None),
            });
            continue;
        };
        let now = &new[now];
        if shown(column) != shown(now) || column[5] != now[5] {
            found.push(difference(&old_name, Difference::TypeChanged, Some(shown(column)), Some(shown(now))));
        }
        if column[4] != now[4] {
            let default = |c: &Json| c[4].as_str().map(str::to_owned);
            found.push(difference(&old_name, Difference::DefaultChanged, default(column), default(now)));
        }
    }
    for column in new.iter().filter(|c| at(&old, &name(c)).is_none() && !taken.contains(&name(c))) {
        found.push(difference(&name(column), Difference::Added, None, Some(shown(column))));
    }
    found
}

/// The type of a described column as people write it: `varchar(20) not null`.
fn written_type(column: &Json, types: &Types) -> String {
    let oid = column[1].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let name = types.get(oid).map_or("unknown", |t| t.name.as_str());
    let modifier = column[2].as_i64().unwrap_or(-1);
    let (size, null) = (size(name, modifier), if column[3] == true { " not null" } else { "" });
    match size {
        Some((length, None)) => format!("{name}({length}){null}"),
        Some((precision, Some(scale))) => format!("{name}({precision},{scale}){null}"),
        None => format!("{name}{null}"),
    }
}

/// Length, or precision and scale, as a type's modifier packs them.
fn size(name: &str, modifier: i64) -> Option<(i64, Option<i64>)> {
    let packed = modifier - 4;
    match name {
        "numeric" if packed >= 0 => Some((packed >> 16 & 0xffff, Some(((packed & 0x7ff) ^ 1024) - 1024))),
        "varchar" | "bpchar" if packed >= 0 => Some((packed, None)),
        _ => None,
    }
}

fn labels(types: &Types, oid: u32) -> Option<&[String]> {
    match &types.get(oid)?.kind {
        PgKind::Enum(labels) => Some(labels),
        _ => None,
    }
}

fn table(rows: &mut RowBuf, item: RowMark, change: &Change<'_>, types: &Types) {
    let (announced, shape) = (change.announced, change.shape);
    let table = rows.begin(4);
    let names: Vec<&str> = shape.key.iter().map(|i| announced.columns[*i].name.as_str()).collect();
    texts(rows, table, 1, &names);
    let columns = rows.begin(announced.columns.len());
    for (i, (column, fact)) in announced.columns.iter().zip(&shape.facts).enumerate() {
        let row = rows.begin(15);
        let found = types.get(column.type_oid);
        let name = found.map_or("unknown", |t| t.name.as_str());
        rows.text(row, 0, &column.name);
        rows.i64(row, 1, jdbc_type(found.map(|t| &t.kind), name));
        rows.i64(row, 2, i64::from(column.type_oid as i32));
        rows.text(row, 3, name);
        rows.text(row, 4, name);
        if let Some((length, scale)) = size(name, i64::from(column.modifier)) {
            rows.i64(row, 6, length);
            scale.into_iter().for_each(|scale| rows.i64(row, 7, scale));
        }
        rows.i64(row, 8, i as i64 + 1);
        rows.bool(row, 9, !fact.not_null);
        rows.bool(row, 10, fact.default.as_deref().is_some_and(|d| d.starts_with("nextval(")));
        rows.bool(row, 11, false);
        if let Some(default) = &fact.default {
            rows.text(row, 13, default);
        }
        if let Some(labels) = labels(types, column.type_oid) {
            texts(rows, row, 14, &labels.iter().map(String::as_str).collect::<Vec<_>>());
        }
        rows.end_nested(columns, i, row);
    }
    rows.end_nested(table, 2, columns);
    rows.end_nested(item, 2, table);
}

fn texts(rows: &mut RowBuf, parent: RowMark, slot: usize, items: &[&str]) {
    let list = rows.begin(items.len());
    for (i, item) in items.iter().enumerate() {
        rows.text(list, i, item);
    }
    rows.end_nested(parent, slot, list);
}

/// The numbers of `java.sql.Types`, as the JDBC driver gives them.
fn jdbc_type(kind: Option<&PgKind>, name: &str) -> i64 {
    match kind {
        Some(PgKind::Array { .. }) => 2003,
        Some(PgKind::Enum(_)) => 12,
        Some(PgKind::Domain { .. }) => 2001,
        Some(PgKind::Composite) => 2002,
        _ => match name {
            "bool" | "bit" => -7,
            "int2" => 5,
            "int4" => 4,
            "int8" | "oid" => -5,
            "float4" => 7,
            "float8" | "money" => 8,
            "numeric" => 2,
            "bpchar" | "char" => 1,
            "text" | "varchar" | "name" => 12,
            "bytea" => -2,
            "date" => 91,
            "time" | "timetz" => 92,
            "timestamp" | "timestamptz" => 93,
            "xml" => 2009,
            _ => 1111,
        },
    }
}

fn key_schema() -> Schema {
    Schema::record().named("io.debezium.connector.postgresql.SchemaChangeKey").version(1).field("databaseName", Schema::text())
}

fn value_schema() -> Schema {
    let text = || Schema::text().optional();
    let number = || Schema::int32().optional();
    let flag = || Schema::boolean().optional();
    let names = || Schema::list(Schema::text()).optional();
    let column = Schema::record()
        .named("io.debezium.connector.schema.Column")
        .version(1)
        .field("name", Schema::text())
        .field("jdbcType", Schema::int32())
        .field("nativeType", number())
        .field("typeName", Schema::text())
        .field("typeExpression", text())
        .field("charsetName", text())
        .field("length", number())
        .field("scale", number())
        .field("position", Schema::int32())
        .field("optional", flag())
        .field("autoIncremented", flag())
        .field("generated", flag())
        .field("comment", text())
        .field("defaultValueExpression", text())
        .field("enumValues", names());
    let table = Schema::record()
        .named("io.debezium.connector.schema.Table")
        .version(1)
        .field("defaultCharsetName", text())
        .field("primaryKeyColumnNames", names())
        .field("columns", Schema::list(column))
        .field("comment", text())
        .optional();
    let change = Schema::record()
        .named("io.debezium.connector.schema.Change")
        .version(1)
        .field("type", Schema::text())
        .field("id", Schema::text())
        .field("table", table);
    Schema::record()
        .named("io.debezium.connector.postgresql.SchemaChangeValue")
        .version(1)
        .field("source", envelope::source_schema())
        .field("ts_ms", Schema::int64())
        .field("databaseName", text())
        .field("schemaName", text())
        .field("ddl", text())
        .field("tableChanges", Schema::list(change))
}

/// What a table was, of what was told of it.
pub fn before(told: &str, exact: bool) -> Option<Before> {
    let json: Json = serde_json::from_str(told).ok()?;
    let column = |c: &Json| Some((c[0].as_str()?.to_owned(), u32::try_from(c[1].as_u64()?).ok()?));
    let columns = json["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?;
    let key = json["key"].as_array()?.iter().map(|k| usize::try_from(k.as_u64()?).ok()).collect::<Option<_>>()?;
    let fact = |c: &Json| Some(Fact { not_null: c[3].as_bool()?, default: c[4].as_str().map(str::to_owned) });
    let facts = json["columns"].as_array()?.iter().map(fact).collect::<Option<_>>().filter(|_| exact);
    Some(Before { columns, key, facts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::PgType;

    #[test]
    fn differences_of_a_table_are_its_columns() {
        let named = [(23, "int4"), (20, "int8"), (1043, "varchar"), (1700, "numeric")];
        let types = named.map(|(oid, name)| {
            let of = PgType { oid, schema: "pg_catalog".into(), name: name.into(), kind: PgKind::Base };
            (oid, Rc::new(of))
        });
        let types = Types(types.into_iter().collect());
        let table = |columns: Json| json!({ "schema": "public", "name": "t", "columns": columns, "key": [0] });
        let told = |before: Json, after: Json| {
            let of = |c: ColumnChange| {
                let kind = format!("{:?}", c.kind).replace("Difference::", "");
                format!("{} {kind} {} {}", c.column, c.before.unwrap_or_default(), c.after.unwrap_or_default())
            };
            differences(&table(before), &table(after), &types).into_iter().map(of).collect::<Vec<_>>()
        };
        let (id, a) = (json!(["id", 23, -1, true, null, null]), json!(["a", 1043, 24, false, null, null]));
        let wide = json!(["id", 20, -1, true, null, null]);
        assert_eq!(told(json!([id, a]), json!([wide, a])), ["id TypeChanged int4 not null int8 not null"]);
        assert_eq!(told(json!([id, a]), json!([id])), ["a Removed varchar(20) "]);
        let b = json!(["b", 1043, 24, false, null, null]);
        assert_eq!(told(json!([id, a]), json!([id, b])), ["b Renamed a b"]);
        let key = json!(["k", 23, -1, true, null, null]);
        assert_eq!(told(json!([id, a, b]), json!([key, a])), ["k Renamed id k", "b Removed varchar(20) "]);
        let priced = json!(["p", 1700, (12 << 16 | 2) + 4, true, "0", null]);
        assert_eq!(told(json!([id]), json!([id, priced])), ["p Added  numeric(12,2) not null"]);
        let free = json!(["p", 1700, (12 << 16 | 2) + 4, true, null, null]);
        assert_eq!(told(json!([priced]), json!([free])), ["p DefaultChanged 0 "]);
    }
}
