//! Offsets in the target database, moved in the transaction of the rows: a record is written exactly once, whatever dies.
//!
//! A transaction moves each partition from the offset it knows to the next; when another task has moved it meanwhile, the
//! transaction does nothing and the position is read again.

use std::collections::HashMap;

use millrace_plugin::postgres::{Param, quote_ident, quote_literal};
use millrace_plugin::{Error, TopicOffset, TopicPartition};

use crate::catalog::TableName;
use crate::connection::{Connection, is_concurrent};

/// How often a table that somebody else makes or drops at the same moment is asked for again.
const ATTEMPTS: u32 = 5;

#[derive(Debug)]
pub struct Offsets {
    table: TableName,
    connector: String,
    /// The next offset of each open partition; -1: none is stored.
    next: HashMap<(String, i32), i64>,
}

impl Offsets {
    pub fn new(table: TableName, connector: &str) -> Self {
        Offsets { table, connector: connector.to_owned(), next: HashMap::new() }
    }

    /// Takes partitions on; answers with what is stored of them.
    pub fn open(&mut self, connection: &mut dyn Connection, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>, Error> {
        for p in partitions {
            self.next.insert((p.topic.clone(), p.partition), -1);
        }
        self.refresh(connection)?;
        let stored = |p: &TopicPartition| self.next.get(&(p.topic.clone(), p.partition)).copied().filter(|n| *n >= 0);
        Ok(partitions
            .iter()
            .filter_map(|p| Some(TopicOffset { topic: p.topic.clone(), partition: p.partition, offset: stored(p)? }))
            .collect())
    }

    pub fn close(&mut self, partitions: &[TopicPartition]) {
        for p in partitions {
            self.next.remove(&(p.topic.clone(), p.partition));
        }
    }

    /// Reads the stored positions of all open partitions again; once no transaction is about to move them, which may be one that
    /// a task before this one left behind on its way.
    pub fn refresh(&mut self, connection: &mut dyn Connection) -> Result<(), Error> {
        if self.next.is_empty() {
            return Ok(());
        }
        // Another task may make the table at this moment, unseen by IF NOT EXISTS: it is there when looked for again.
        let mut made = self.make_rows(connection);
        for _ in 0..ATTEMPTS {
            match made {
                Err(e) if is_concurrent(&e) => made = self.make_rows(connection),
                _ => break,
            }
        }
        made.map_err(|e| self.explain(e))?;
        let (table, connector) = (self.table.sql(), quote_literal(&self.connector));
        let open: Vec<_> = self.next.keys().map(|(t, p)| format!("({}, {p})", quote_literal(t))).collect();
        let stored = connection.query(&format!(
            "SELECT topic, \"partition\", next_offset FROM {table} WHERE connector = {connector} \
             AND (topic, \"partition\") IN ({}) ORDER BY 1, 2 FOR UPDATE",
            open.join(", ")
        ))?;
        for row in stored {
            if let [Some(topic), Some(partition), Some(next)] = &row[..]
                && let (Ok(partition), Ok(next)) = (partition.parse(), next.parse())
                && let Some(known) = self.next.get_mut(&(topic.clone(), partition))
            {
                *known = next;
            }
        }
        Ok(())
    }

    /// Sees to it that each open partition has its row; the table is made where it is missing.
    fn make_rows(&self, connection: &mut dyn Connection) -> Result<(), Error> {
        let (table, connector) = (self.table.sql(), quote_literal(&self.connector));
        // CREATE TABLE IF NOT EXISTS asks for the right to make tables even where it makes none.
        let found = connection.query(&format!("SELECT to_regclass({})", quote_literal(&table)))?;
        if !matches!(found.first().map(Vec::as_slice), Some([Some(_)])) {
            connection.query(&self.create(" IF NOT EXISTS"))?;
        }
        let rows: Vec<_> = self.next.keys().map(|(t, p)| format!("({connector}, {}, {p}, -1)", quote_literal(t))).collect();
        connection.query(&format!("INSERT INTO {table} VALUES {} ON CONFLICT DO NOTHING", rows.join(", ")))?;
        Ok(())
    }

    fn create(&self, guard: &str) -> String {
        format!(
            "CREATE TABLE{guard} {} (connector text NOT NULL, topic text NOT NULL, \"partition\" integer NOT NULL, \
             next_offset bigint NOT NULL, PRIMARY KEY (connector, topic, \"partition\"))",
            self.table.sql()
        )
    }

    /// Adds what to run, where the user has not the rights.
    fn explain(&self, e: Error) -> Error {
        if e.sqlstate() != Some("42501") {
            return e;
        }
        let message = format!(
            "{}; the user needs SELECT, INSERT and UPDATE on the table, and where it is missing CREATE on its schema; or let one \
             who may make it run: {}; GRANT SELECT, INSERT, UPDATE ON {} TO the user",
            e.message,
            self.create(""),
            self.table.sql()
        );
        Error { message, ..e }
    }

    /// The next offset of a partition; none when it is not open here.
    pub fn next(&self, topic: &str, partition: i32) -> Option<i64> {
        self.next.get(&(topic.to_owned(), partition)).copied()
    }

    /// Moves the positions, inside the open transaction. False: another has moved one.
    pub fn advance(&self, connection: &mut dyn Connection, to: &[((String, i32), i64)]) -> Result<bool, Error> {
        let list = |texts: Vec<String>| Param::Text(format!("{{{}}}", texts.join(",")));
        let quoted = |t: &str| format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\""));
        let known = |k| self.next.get(k).copied().unwrap_or(-1).to_string();
        let moved = connection.execute(
            &format!(
                "UPDATE {} AS o SET next_offset = s.n FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS s(t, p, n, k) \
                 WHERE o.{} = $1::text AND o.topic = s.t AND o.\"partition\" = s.p AND o.next_offset = s.k",
                self.table.sql(),
                quote_ident("connector")
            ),
            &[
                Param::Text(self.connector.clone()),
                list(to.iter().map(|((t, _), _)| quoted(t)).collect()),
                list(to.iter().map(|((_, p), _)| p.to_string()).collect()),
                list(to.iter().map(|(_, n)| n.to_string()).collect()),
                list(to.iter().map(|(k, _)| known(k)).collect()),
            ],
        )?;
        Ok(moved == to.len() as u64)
    }

    /// The transaction that moved them is committed.
    pub fn moved(&mut self, to: Vec<((String, i32), i64)>) {
        self.next.extend(to);
    }
}
