//! The writer at the source: transactions at random, each known to have committed or not, whatever happens to the server.

use std::time::Duration;

use millrace_tests::{Postgres, postgres_client};
use rand::Rng;
use rand::rngs::StdRng;
use tokio_postgres::Client;

use super::journal::{Journal, Statement};

/// How many tables there are.
pub const TABLES: usize = 4;
/// Rows of each table before a connector is made.
const ROWS_AT_FIRST: i64 = 800;
/// Rows that one round may change; once they are used up transactions are of one row.
const ROWS_MAX: i64 = 3_000;
const RECONNECT: Duration = Duration::from_millis(30);

pub fn table(i: usize) -> String {
    format!("t{i}")
}

/// Whether the log names the row that a delete of this table deleted.
pub fn identified(table: usize) -> bool {
    table % 2 == 1
}

pub struct Writer {
    rng: StdRng,
    client: Option<Client>,
    next_id: [i64; TABLES],
    seq: i64,
    /// Each transaction leaves its number, which says later whether it committed.
    transaction: i64,
}

impl Writer {
    pub fn new(rng: StdRng) -> Writer {
        Writer { rng, client: None, next_id: [1; TABLES], seq: 1, transaction: 0 }
    }

    /// Makes the tables anew, with the rows that a snapshot finds.
    pub async fn begin(&mut self, source: &Postgres, journal: &mut Journal) -> anyhow::Result<()> {
        let client = source.client("src").await?;
        client.batch_execute("drop table if exists marks; create table marks (id bigint primary key)").await?;
        for t in 0..TABLES {
            let (name, seq) = (table(t), self.seq);
            let identity = if identified(t) { format!("alter table {name} replica identity full") } else { String::new() };
            client
                .batch_execute(&format!(
                    "drop table if exists {name}; create table {name} (id bigint primary key, seq bigint not null, note text); {identity};
                     insert into {name} select g, {seq} + g, repeat('s', (g % 300)::int) from generate_series(1, {ROWS_AT_FIRST}) g"
                ))
                .await?;
            journal.found(t, seq + 1..=seq + ROWS_AT_FIRST);
            self.seq += ROWS_AT_FIRST + 1;
            self.next_id[t] = ROWS_AT_FIRST + 1;
        }
        self.client = Some(client);
        Ok(())
    }

    /// Writes until it is told to stop; every transaction is then known to have committed or not.
    pub async fn write(
        &mut self,
        source: u16,
        journal: &mut Journal,
        mut stop: tokio::sync::watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut left = ROWS_MAX;
        while !*stop.borrow_and_update() {
            let most = match self.rng.random_range(0..100) {
                0..70 => 5,
                70..95 => 60,
                _ => 1_000,
            };
            let size = self.rng.random_range(1..=most).min(left.max(1));
            left -= size;
            self.transaction(source, journal, size).await?;
            let pause = if left > 0 { self.rng.random_range(0..25) } else { 25 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// One transaction, which one in ten times is rolled back.
    async fn transaction(&mut self, source: u16, journal: &mut Journal, rows: i64) -> anyhow::Result<()> {
        self.transaction += 1;
        let mut done = Vec::new();
        let tried = self.try_transaction(source, rows, &mut done).await;
        let committed = match tried {
            Ok(committed) => committed,
            // The connection broke: whether it committed is known to the server alone.
            Err(_) => self.is_there(source).await?,
        };
        if committed {
            journal.commit(done, identified)
        } else {
            journal.roll_back(done)
        }
        Ok(())
    }

    async fn is_there(&mut self, source: u16) -> anyhow::Result<bool> {
        let begun = std::time::Instant::now();
        loop {
            self.client = None;
            let found = async {
                let client = postgres_client(source, "src").await?;
                let found = client.query("select 1 from marks where id = $1", &[&self.transaction]).await?;
                Ok::<_, tokio_postgres::Error>((client, !found.is_empty()))
            };
            match found.await {
                Ok((client, found)) => {
                    self.client = Some(client);
                    return Ok(found);
                }
                Err(e) if begun.elapsed() > Duration::from_secs(120) => anyhow::bail!("the source did not come back: {e}"),
                Err(_) => tokio::time::sleep(RECONNECT).await,
            }
        }
    }

    /// Pushes what it does to `done`, before it is done.
    async fn try_transaction(&mut self, source: u16, rows: i64, done: &mut Vec<Statement>) -> anyhow::Result<bool> {
        if self.client.is_none() {
            self.client = Some(postgres_client(source, "src").await?);
        }
        let client = self.client.as_ref().expect("just made");
        let rng = &mut self.rng;
        let commit = !rng.random_bool(0.1);
        client.batch_execute(&format!("begin; insert into marks values ({})", self.transaction)).await?;
        let parts = rng.random_range(1..=3).min(rows);
        for _ in 0..parts {
            let t = rng.random_range(0..TABLES);
            let (name, n, seq) = (table(t), (rows / parts).max(1), self.seq);
            let from = rng.random_range(0..self.next_id[t]);
            let range = format!("id >= {from} and id < {from} + {n}");
            let fresh = self.next_id[t];
            let (sql, deletes) = match rng.random_range(0..10) {
                0..5 => {
                    self.next_id[t] += n;
                    let sql = format!(
                        "insert into {name} select {fresh} + g, {seq} + g, repeat('i', (g % 90)::int) from generate_series(0, {n} - 1) g"
                    );
                    (sql, false)
                }
                5..8 => (format!("update {name} set seq = {seq} + (id - {from}), note = 'u' || seq where {range}"), false),
                8 => (format!("delete from {name} where id >= {from} and id < {from} + {}", n.min(100)), true),
                // Rows move to keys that nobody has.
                _ => {
                    self.next_id[t] += n;
                    (format!("update {name} set id = {fresh} + (id - {from}), seq = {seq} + (id - {from}) where {range}"), false)
                }
            };
            self.seq += n;
            let touched = client.query(&format!("{sql} returning seq"), &[]).await?;
            let touched: Vec<i64> = touched.iter().map(|r| r.get(0)).collect();
            let (written, deleted) = if deletes { (Vec::new(), touched) } else { (touched, Vec::new()) };
            if !(written.is_empty() && deleted.is_empty()) {
                done.push(Statement { table: t, written, deleted });
            }
        }
        client.batch_execute(if commit { "commit" } else { "rollback" }).await?;
        Ok(commit)
    }
}
