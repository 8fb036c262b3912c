//! A writer that changes many tables at random, and remembers what it committed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;

/// How many tables the writer changes.
pub const TABLES: usize = 20;
/// The most rows one transaction changes.
const TRANSACTION_ROWS_MAX: usize = 5_000;

/// The name of table `i`.
pub fn table(i: usize) -> String {
    format!("t{i:02}")
}

/// Makes the tables, with all kinds of columns between them.
pub async fn create_tables(client: &Client) -> anyhow::Result<()> {
    for i in 0..TABLES {
        let key = if i % 4 == 3 {
            "id bigint, part text not null default 'p', primary key (id, part)"
        } else {
            "id bigint primary key"
        };
        client
            .batch_execute(&format!(
                "create table {} ({key}, seq bigint not null, name text, amount numeric(12,2), ok boolean, at timestamptz, note text)",
                table(i)
            ))
            .await?;
    }
    Ok(())
}

/// What a writer did.
#[derive(Default)]
pub struct Written {
    /// For each table the sequence numbers of inserts and updates, statement by statement in commit order. The rows of one
    /// statement come in the order of the heap.
    pub statements: Vec<Vec<Vec<i64>>>,
    /// Sequence numbers that were rolled back.
    pub rolled_back: Vec<std::ops::Range<i64>>,
    pub transactions: u64,
    pub rows: u64,
}

/// One connection that writes, transaction after transaction.
pub struct Writer {
    client: Client,
    rng: StdRng,
    next_id: Vec<i64>,
    seq: i64,
    pub written: Written,
}

impl Writer {
    pub fn new(client: Client, seed: u64) -> Writer {
        let written = Written { statements: vec![Vec::new(); TABLES], ..Default::default() };
        Writer { client, rng: StdRng::seed_from_u64(seed), next_id: vec![1; TABLES], seq: 1, written }
    }

    /// One transaction of 1 to 5,000 rows over one to three tables; one in ten is rolled back.
    pub async fn transaction(&mut self) -> anyhow::Result<()> {
        // Small transactions are the rule and large ones do happen.
        let size = match self.rng.random_range(0..100) {
            0..60 => self.rng.random_range(1..=10),
            60..90 => self.rng.random_range(11..=300),
            _ => self.rng.random_range(301..=TRANSACTION_ROWS_MAX),
        };
        let commit = !self.rng.random_bool(0.1);
        let mut seqs: Vec<(usize, std::ops::Range<i64>)> = Vec::new();
        let mut rows = 0;
        self.client.batch_execute("begin").await?;
        let parts = self.rng.random_range(1..=3).min(size);
        for _ in 0..parts {
            let t = self.rng.random_range(0..TABLES);
            let n = (size / parts).max(1) as i64;
            let name = table(t);
            let seq = self.seq;
            let values = "'n' || g, (g % 100000) / 100.0, g % 2 = 0, timestamptz '2026-01-01' + g * interval '1 second', repeat('x', (g % 90)::int)";
            let changed = match self.rng.random_range(0..10) {
                0..5 => {
                    let id = self.next_id[t];
                    self.next_id[t] += n;
                    let sql = format!(
                        "insert into {name} (id, seq, name, amount, ok, at, note) select {id} + g, {seq} + g, {values} from generate_series(0, {n} - 1) g"
                    );
                    self.client.execute(sql.as_str(), &[]).await?
                }
                5..8 => {
                    let from = self.rng.random_range(0..self.next_id[t]);
                    let sql = format!(
                        "update {name} set seq = {seq} + (id - {from}), name = 'u' || seq, ok = not ok where id >= {from} and id < {from} + {n}"
                    );
                    self.client.execute(sql.as_str(), &[]).await?
                }
                8 => {
                    let from = self.rng.random_range(0..self.next_id[t]);
                    let sql = format!("delete from {name} where id >= {from} and id < {from} + {}", n.min(200));
                    rows += self.client.execute(sql.as_str(), &[]).await?;
                    0
                }
                _ => {
                    // Key changes: rows move to ids that nobody has.
                    let from = self.rng.random_range(0..self.next_id[t]);
                    let to = self.next_id[t];
                    self.next_id[t] += n;
                    let sql = format!(
                        "update {name} set id = {to} + (id - {from}), seq = {seq} + (id - {from}) where id >= {from} and id < {from} + {n}"
                    );
                    self.client.execute(sql.as_str(), &[]).await?
                }
            };
            self.seq += n;
            rows += changed;
            if changed > 0 {
                seqs.push((t, seq..seq + n));
            }
        }
        if !commit {
            self.client.batch_execute("rollback").await?;
            self.written.rolled_back.extend(seqs.into_iter().map(|(_, range)| range));
            return Ok(());
        }
        // Which of the range exist is known only to the table: asked before the commit, in the same transaction.
        let mut committed = Vec::new();
        for (t, range) in seqs {
            let sql = format!("select seq from {} where seq >= {} and seq < {}", table(t), range.start, range.end);
            let found = self.client.query(sql.as_str(), &[]).await?;
            committed.push((t, found.iter().map(|r| r.get::<_, i64>(0)).collect::<Vec<_>>()));
        }
        self.client.batch_execute("commit").await?;
        for (t, found) in committed {
            self.written.statements[t].push(found);
        }
        self.written.transactions += 1;
        self.written.rows += rows;
        Ok(())
    }
}
