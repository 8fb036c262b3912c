//! One table, changed step by step beside its rows; what was done is written down with its place in the log, as the server
//! tells it.

use std::collections::BTreeMap;

use anyhow::Context;
use millrace_tests::Postgres;
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A change of a row.
#[derive(Debug, Clone)]
pub struct Row {
    pub op: &'static str,
    pub before: Value,
    pub after: Value,
    /// The table's columns at that moment, as [`super::check::shape_of`] prints those of a schema.
    pub shape: String,
    /// The name of the key.
    pub key: String,
}

/// A change of the table.
#[derive(Debug, Clone)]
pub struct Change {
    pub sql: String,
    pub shape: String,
    /// The log's end just before and just after.
    pub between: (u64, u64),
    pub xid: i64,
}

#[derive(Debug, Clone)]
pub enum Done {
    Row(Row),
    Change(Change),
}

/// Writes into `public.t`, whose rows are told in full.
pub struct Writer {
    client: Client,
    pub done: Vec<Done>,
    shape: String,
    key: String,
    ids: i64,
    live: Vec<i64>,
    /// What stood when the open transaction began.
    begun: Option<(usize, String, String, Vec<i64>)>,
}

impl Writer {
    /// Makes the table.
    pub async fn new(pg: &Postgres) -> anyhow::Result<Writer> {
        let client = pg.client("src").await?;
        client
            .batch_execute(
                "create table t (id int8 primary key, n int4, note text); alter table t replica identity full; \
                 create table ends (id text primary key)",
            )
            .await?;
        let shape = "id:long n:int? note:string?".to_owned();
        Ok(Writer { client, done: Vec::new(), shape, key: "id".into(), ids: 0, live: Vec::new(), begun: None })
    }

    async fn one(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let answer = self.client.simple_query(sql).await.map_err(|e| anyhow::anyhow!("{sql}: {e:?}"))?;
        let row = answer.into_iter().find_map(|m| match m {
            SimpleQueryMessage::Row(r) => Some((0..r.len()).map(|i| r.get(i).unwrap_or("null").to_owned()).collect()),
            _ => None,
        });
        Ok(row.unwrap_or_default())
    }

    async fn end_of_log(&self) -> anyhow::Result<u64> {
        let found = self.one("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").await?;
        Ok(found.first().context("a place")?.parse()?)
    }

    /// Changes the table; `shape` is what it is then.
    pub async fn change(&mut self, sql: &str, shape: &str) -> anyhow::Result<()> {
        let own = self.begun.is_none();
        if own {
            self.one("begin").await?;
        }
        let xid = self.one("select pg_current_xact_id()").await?.first().context("a transaction")?.parse()?;
        let before = self.end_of_log().await?;
        self.one(sql).await?;
        let between = (before, self.end_of_log().await?);
        if own {
            self.one("commit").await?;
        }
        self.shape = shape.to_owned();
        self.key = shape.split(':').next().unwrap_or_default().to_owned();
        self.done.push(Done::Change(Change { sql: sql.to_owned(), shape: shape.to_owned(), between, xid }));
        Ok(())
    }

    /// Three rows more, one of them changed, and an older one gone.
    pub async fn rows(&mut self) -> anyhow::Result<()> {
        for _ in 0..3 {
            self.ids += 1;
            let sql = format!("insert into t values ({}) returning 'null', to_json(t)", self.ids);
            self.row("c", &sql).await?;
            self.live.push(self.ids);
        }
        self.update(self.ids).await?;
        if self.live.len() > 5 {
            // One that an earlier shape has made.
            let (old, id) = (self.live.remove(0), self.live[0]);
            let sql = format!("delete from t where {} = {old} returning to_json(t), 'null'", self.key);
            self.row("d", &sql).await?;
            self.update(id).await?;
        }
        Ok(())
    }

    /// Gives each column another value.
    async fn update(&mut self, id: i64) -> anyhow::Result<()> {
        let n = id * 10 + self.done.len() as i64;
        let set = |column: &str| {
            let (name, kind) = column.split_once(':')?;
            let value = match kind.trim_end_matches('?') {
                "int" | "long" => n.to_string(),
                "double" => format!("{n}.5"),
                "boolean" => (n % 2 == 0).to_string(),
                _ => format!("'v{n}'"),
            };
            Some(format!("{name} = {value}"))
        };
        let set: Vec<_> = self.shape.split(' ').skip(1).filter_map(set).collect();
        let (key, set) = (&self.key, set.join(", "));
        let sql = format!(
            "with old as (select to_json(t) as row from t where {key} = {id}), \
             new as (update t set {set} where {key} = {id} returning to_json(t) as row) select old.row, new.row from old, new"
        );
        self.row("u", &sql).await
    }

    async fn row(&mut self, op: &'static str, sql: &str) -> anyhow::Result<()> {
        let row = self.one(sql).await?;
        let [before, after] = &row[..] else { anyhow::bail!("{sql} touched no row") };
        let (before, after) = (serde_json::from_str(before)?, serde_json::from_str(after)?);
        let (shape, key) = (self.shape.clone(), self.key.clone());
        self.done.push(Done::Row(Row { op, before, after, shape, key }));
        Ok(())
    }

    pub async fn begin(&mut self) -> anyhow::Result<()> {
        self.one("begin").await?;
        self.begun = Some((self.done.len(), self.shape.clone(), self.key.clone(), self.live.clone()));
        Ok(())
    }

    pub async fn commit(&mut self) -> anyhow::Result<()> {
        self.begun = None;
        self.one("commit").await.map(drop)
    }

    /// Nothing of it was.
    pub async fn rollback(&mut self) -> anyhow::Result<()> {
        self.one("rollback").await?;
        if let Some((done, shape, key, live)) = self.begun.take() {
            self.done.truncate(done);
            (self.shape, self.key, self.live) = (shape, key, live);
        }
        Ok(())
    }

    /// A row of another table, which comes after all that was done.
    pub async fn end(&mut self) -> anyhow::Result<String> {
        let end = format!("end-{}", rand::random::<u64>());
        self.one(&format!("insert into ends values ('{end}')")).await?;
        Ok(end)
    }

    /// The rows that are there now, by their keys.
    pub async fn live(&self) -> anyhow::Result<BTreeMap<i64, Value>> {
        let found = self.one(&format!("select json_object_agg({}, to_json(t)) from t", self.key)).await?;
        let all: serde_json::Map<String, Value> = serde_json::from_str(found.first().context("rows")?)?;
        all.into_iter().map(|(id, row)| Ok((id.parse()?, row))).collect()
    }
}
