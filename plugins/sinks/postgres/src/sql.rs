//! The SQL of a plan. Rows cross as one parameter, an array of a composite type, which `unnest` takes apart: one statement
//! and one round trip for any number of rows, whatever their columns, and the text never changes, so it is prepared once.

use millrace_plugin::postgres::quote_ident;

use crate::encode::Wire;
use crate::options::InsertMode;
use crate::plan::{Plan, Target};

/// The composite type of some columns: a temporary table of the session, by the types alone, so that tables alike share it.
pub fn stage(name: &str, wires: &[Wire]) -> String {
    let columns: Vec<_> = wires.iter().enumerate().map(|(i, w)| format!("c{i} {}", w.name)).collect();
    format!("CREATE TEMPORARY TABLE {name} ({})", columns.join(", "))
}

fn source(i: usize, t: &Target) -> String {
    match &t.cast {
        Some(cast) => format!("s.c{i}::{cast}"),
        None => format!("s.c{i}"),
    }
}

fn names(columns: &[&Target]) -> String {
    columns.iter().map(|c| quote_ident(&c.name)).collect::<Vec<_>>().join(", ")
}

/// The write of `columns`, the key's first.
pub fn write(plan: &Plan, columns: &[&Target], mode: InsertMode, stage: &str) -> String {
    let table = plan.table.sql();
    let sources: Vec<_> = columns.iter().enumerate().map(|(i, c)| source(i, c)).collect();
    let (keys, rest) = columns.split_at(plan.keys);
    if mode == InsertMode::Update {
        let set: Vec<_> =
            rest.iter().enumerate().map(|(i, c)| format!("{} = {}", quote_ident(&c.name), sources[plan.keys + i])).collect();
        if set.is_empty() {
            return String::new();
        }
        return format!("UPDATE {table} AS t SET {} FROM unnest($1::{stage}[]) AS s WHERE {}", set.join(", "), matches(keys));
    }
    let overriding = if plan.override_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
    let mut sql = format!(
        "INSERT INTO {table} ({}){overriding} SELECT {} FROM unnest($1::{stage}[]) AS s",
        names(columns),
        sources.join(", ")
    );
    if mode == InsertMode::Upsert {
        let set: Vec<_> = rest.iter().map(|c| quote_ident(&c.name)).map(|n| format!("{n} = excluded.{n}")).collect();
        let then = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        sql += &format!(" ON CONFLICT ({}) DO {then}", names(keys));
    }
    sql
}

pub fn delete(plan: &Plan, stage: &str) -> String {
    let keys: Vec<_> = plan.columns[..plan.keys].iter().collect();
    format!("DELETE FROM {} AS t USING unnest($1::{stage}[]) AS s WHERE {}", plan.table.sql(), matches(&keys))
}

fn matches(keys: &[&Target]) -> String {
    let parts: Vec<_> = keys.iter().enumerate().map(|(i, k)| format!("t.{} = {}", quote_ident(&k.name), source(i, k))).collect();
    parts.join(" AND ")
}

/// The head of an array of composites; the count is set by [`close`].
pub fn open(oid: u32, out: &mut Vec<u8>) {
    for n in [1, 0, oid, 0, 1] {
        out.extend_from_slice(&u32::to_be_bytes(n));
    }
}

/// Starts a composite of `columns`; answers where its length is.
#[inline]
pub fn begin(columns: usize, out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(columns as u32).to_be_bytes());
    at
}

#[inline]
pub fn end(at: usize, out: &mut [u8]) {
    let n = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&n.to_be_bytes());
}

pub fn close(rows: usize, out: &mut [u8]) {
    out[12..16].copy_from_slice(&(rows as u32).to_be_bytes());
}
