//! DDL in the log (`schema.changes.ddl.enabled`): event triggers on the server write each statement that changes tables into
//! the log, and what the tables look like after it, as messages that come in their place among the changes of rows.

use millrace_plugin::Error;
use serde_json::Value as Json;

use crate::catalog::{Column, Table};
use crate::connection::Connection;
use crate::options::Options;
use crate::setup::Found;

/// What the messages are told by; they are never given as a user's.
pub const PREFIX: &str = "millrace.ddl";
/// Messages are sent from this version of the server on.
const VERSION_MIN: u32 = 140_000;

/// A statement that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// As it was sent to the server, with all that was sent at once.
    pub text: String,
    /// `ALTER TABLE`
    pub tag: String,
    /// As they are after it.
    pub tables: Vec<Table>,
    pub dropped: Vec<Dropped>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub oid: u32,
    pub schema: String,
    pub name: String,
}

/// Makes the triggers where they are not there.
pub fn install(connection: &mut dyn Connection, options: &Options, found: Found) -> Result<(), Error> {
    if !options.ddl_enabled {
        return Ok(());
    }
    let key = "schema.changes.ddl.enabled";
    if found.version < VERSION_MIN {
        let message = format!(
            "\"{key}\" is true, which needs PostgreSQL 14; the server has version {}: set it to false, and changes of tables are \
             told without their statements",
            found.version / 10_000
        );
        return Err(Error::config(key, message));
    }
    let there = connection.query(
        "SELECT 1 FROM pg_catalog.pg_event_trigger WHERE evtname IN ('millrace_ddl_end', 'millrace_ddl_drop') AND evtenabled <> 'D'",
    )?;
    if there.rows.len() == 2 {
        return Ok(());
    }
    match connection.query(SCRIPT) {
        Ok(_) => Ok(()),
        // Somebody made them at the same moment.
        Err(e) if matches!(e.sqlstate(), Some("42710" | "42P06" | "23505")) => Ok(()),
        Err(e) if e.sqlstate() == Some("42501") => Err(Error::config(
            key,
            format!(
                "\"{key}\" is true, and user \"{}\" may not make event triggers: {}; run this once as a superuser, or set it to false, \
                 and changes of tables are told without their statements: {SCRIPT}",
                options.user, e.message
            ),
        )),
        Err(e) => Err(e.context("making the event triggers of schema.changes.ddl.enabled")),
    }
}

/// Reads a message; None where it is not one of the triggers'.
pub fn read(content: &[u8]) -> Option<Statement> {
    let json: Json = serde_json::from_slice(content).ok()?;
    let text = |j: &Json, name: &str| j[name].as_str().map(str::to_owned);
    let oid = |j: &Json| j["oid"].as_u64().and_then(|n| u32::try_from(n).ok());
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let dropped = list("dropped")
        .iter()
        .filter_map(|d| Some(Dropped { oid: oid(d)?, schema: text(d, "schema")?, name: text(d, "name")? }))
        .collect();
    let table = |t: &Json| {
        let letter = |name: &str| t[name].as_str().and_then(|s| s.chars().next());
        Some(Table {
            oid: oid(t)?,
            schema: text(t, "schema")?,
            name: text(t, "name")?,
            replica_identity: letter("identity")?,
            kind: letter("kind")?,
            file: 0,
            primary: t["primary"].as_bool()?,
            columns: t["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?,
        })
    };
    Some(Statement {
        text: text(&json, "ddl")?,
        tag: text(&json, "tag")?,
        tables: list("tables").iter().filter_map(table).collect(),
        dropped,
    })
}

fn column(c: &Json) -> Option<Column> {
    let place = |name: &str| c[name].as_u64().and_then(|n| u16::try_from(n).ok());
    Some(Column {
        number: i16::try_from(c["number"].as_i64()?).ok()?,
        name: c["name"].as_str()?.to_owned(),
        type_oid: u32::try_from(c["type"].as_u64()?).ok()?,
        modifier: i32::try_from(c["modifier"].as_i64()?).ok()?,
        not_null: c["not_null"].as_bool()?,
        default: c["default"].as_str().map(str::to_owned),
        generated: c["generated"].as_bool()?,
        key: place("key"),
        unique: place("unique"),
    })
}

/// What makes the triggers. A trigger that fails warns, and leaves the statement alone.
///
/// The exception block makes a subtransaction, and a message's place is the end of its record, which is where the next one
/// begins: a row that follows at once, in the transaction itself, would be sent before it. A second message stands between.
const SCRIPT: &str = r"
CREATE SCHEMA IF NOT EXISTS millrace;
GRANT USAGE ON SCHEMA millrace TO PUBLIC;
CREATE OR REPLACE FUNCTION millrace.ddl_end() RETURNS event_trigger LANGUAGE plpgsql SET search_path = '' AS $millrace$
DECLARE found pg_catalog.jsonb;
BEGIN
  SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'name', c.relname,
    'identity', c.relreplident, 'kind', c.relkind, 'primary', COALESCE(k.indisprimary AND k.indimmediate, false),
    'columns', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('number', a.attnum, 'name', a.attname,
        'type', a.atttypid::pg_catalog.int8, 'modifier', a.atttypmod, 'not_null', a.attnotnull,
        'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated = 's',
        'key', (SELECT u.place FROM pg_catalog.unnest(k.indkey) WITH ORDINALITY u(attnum, place)
                WHERE u.attnum = a.attnum AND u.place <= k.indnkeyatts),
        'unique', (SELECT u.place FROM pg_catalog.unnest(q.indkey) WITH ORDINALITY u(attnum, place)
                WHERE u.attnum = a.attnum AND u.place <= q.indnkeyatts)) ORDER BY a.attnum), '[]')
      FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
  INTO found
  FROM (SELECT DISTINCT COALESCE(i.indrelid, e.objid) AS oid FROM pg_catalog.pg_event_trigger_ddl_commands() e
          LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = e.objid
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) t
  JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (SELECT i.* FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisunique AND (i.indisprimary OR (i.indpred IS NULL AND i.indexprs IS NULL))
    ORDER BY i.indisprimary DESC, x.relname LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT i.* FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisunique AND NOT i.indisprimary AND i.indpred IS NULL AND i.indexprs IS NULL
    ORDER BY x.relname LIMIT 1) q ON true;
  IF found IS NOT NULL THEN
    PERFORM pg_catalog.pg_logical_emit_message(true, 'millrace.ddl',
      pg_catalog.jsonb_build_object('tag', tg_tag, 'ddl', pg_catalog.current_query(), 'tables', found)::pg_catalog.text);
    PERFORM pg_catalog.pg_logical_emit_message(true, 'millrace.ddl', 'end');
  END IF;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'millrace.ddl_end: %', SQLERRM;
END $millrace$;
CREATE OR REPLACE FUNCTION millrace.ddl_drop() RETURNS event_trigger LANGUAGE plpgsql SET search_path = '' AS $millrace$
DECLARE found pg_catalog.jsonb;
BEGIN
  SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('oid', objid::pg_catalog.int8, 'schema', schema_name, 'name', object_name))
  INTO found FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE object_type = 'table' AND NOT is_temporary;
  IF found IS NOT NULL THEN
    PERFORM pg_catalog.pg_logical_emit_message(true, 'millrace.ddl',
      pg_catalog.jsonb_build_object('tag', tg_tag, 'ddl', pg_catalog.current_query(), 'dropped', found)::pg_catalog.text);
    PERFORM pg_catalog.pg_logical_emit_message(true, 'millrace.ddl', 'end');
  END IF;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'millrace.ddl_drop: %', SQLERRM;
END $millrace$;
DROP EVENT TRIGGER IF EXISTS millrace_ddl_end;
DROP EVENT TRIGGER IF EXISTS millrace_ddl_drop;
CREATE EVENT TRIGGER millrace_ddl_end ON ddl_command_end EXECUTE FUNCTION millrace.ddl_end();
CREATE EVENT TRIGGER millrace_ddl_drop ON sql_drop EXECUTE FUNCTION millrace.ddl_drop();";
