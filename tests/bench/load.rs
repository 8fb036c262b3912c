//! The table that is measured: ten columns, about 760 bytes as an event of Debezium's without schemas. It is loaded once;
//! every run drains the same write-ahead log through a copy of one slot that was made before it.

use std::time::{Duration, Instant};

use millrace_tests::{Postgres, eventually};

pub const TABLE: &str = "bench_drain";
const BASE_SLOT: &str = "bench_base";
/// Rows to learn the limit's rate from.
const FIRST_ROWS: i64 = 200_000;
/// More rows than the limit drains in the planned time, since a calmer machine may be faster than it was at first.
const MARGIN: f64 = 1.2;

const ROW: &str = "g, 'customer-' || g, 'user' || g || '@example.com', (array['Lisbon','Osaka','Quito','Tromso'])[1 + g % 4], \
                   (g % 100000) / 100.0, (g % 97)::int, g % 2 = 0, timestamptz '2026-01-01' + g * interval '1 second', md5(g::text)::uuid, \
                   rpad('note ' || g, 90, 'abcdefghij')";

/// What was loaded.
pub struct Loaded {
    pub rows: i64,
    /// Where the log ended.
    pub end: String,
}

/// What `insert into <table>` takes for the ids `lo..=hi`.
pub fn rows(lo: i64, hi: i64) -> String {
    format!("select {ROW} from generate_series({lo}::bigint, {hi}::bigint) g")
}

/// Loads as many rows, in transactions of 1,000, as `pg_recvlogical` needs the planned time for.
pub async fn load(pg: &Postgres, window: Duration) -> anyhow::Result<Loaded> {
    let row = ROW.replace('\'', "''").replace('%', "%%");
    let procedure = format!(
        "create or replace procedure load_rows(t text, lo bigint, hi bigint) language plpgsql as $$ declare i bigint := lo; begin \
         while i <= hi loop execute format('insert into %I select {row} from generate_series($1, $2) g', t) using i, least(i + 999, hi); \
         commit; i := i + 1000; end loop; end $$"
    );
    pg.execute("src", &procedure).await?;
    table(pg, TABLE).await?;
    create_slot(pg, BASE_SLOT).await?;
    pg.execute("src", &format!("call load_rows('{TABLE}', 1, {FIRST_ROWS})")).await?;
    let mut loaded = Loaded { rows: FIRST_ROWS, end: end(pg).await? };
    let rate = limit(pg, &loaded, "bench_first").await?.rate;
    let rows = ((rate * window.as_secs_f64() * MARGIN) as i64).max(FIRST_ROWS + 1);
    let started = Instant::now();
    pg.execute("src", &format!("call load_rows('{TABLE}', {}, {rows})", FIRST_ROWS + 1)).await?;
    loaded = Loaded { rows, end: end(pg).await? };
    eprintln!("loaded {rows} rows in {:.0} s", started.elapsed().as_secs_f64());
    // What PostgreSQL would do on its own behind the measurements.
    pg.execute("src", &format!("vacuum (freeze, analyze) {TABLE}")).await?;
    pg.execute("src", "checkpoint").await?;
    Ok(loaded)
}

async fn end(pg: &Postgres) -> anyhow::Result<String> {
    Ok(pg.query("src", "select pg_current_wal_lsn()").await?.remove(0))
}

/// What `pg_recvlogical` into nothing did.
pub struct Limit {
    pub rate: f64,
    pub seconds: f64,
    /// CPU-seconds a million rows.
    pub cpu: f64,
    /// Share of one processor that the server's process used.
    pub server: f64,
    pub memory: u64,
}

/// Drains the loaded rows with `pg_recvlogical` into nothing.
pub async fn limit(pg: &Postgres, loaded: &Loaded, slot: &str) -> anyhow::Result<Limit> {
    copy_slot(pg, slot).await?;
    let mut c = std::process::Command::new("pg_recvlogical");
    c.args(["-h", "127.0.0.1", "-U", "postgres", "-d", "src", "-f", "/dev/null", "--start", "-S", slot, "-p"])
        .arg(pg.port.to_string());
    c.args(["-o", "proto_version=1", "-o", &format!("publication_names=pub_{TABLE}"), "-E", &loaded.end, "-n"]);
    c.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let started = Instant::now();
    let mut child =
        c.spawn().map_err(|e| anyhow::anyhow!("cannot start pg_recvlogical: {e}; it is PostgreSQL's, next to initdb"))?;
    let (mut cpu, mut server_cpu, mut memory) = (0.0, 0.0, 0);
    let mut server = None;
    let status = loop {
        // The last figures before the end: those of a process that has ended are gone.
        let own = crate::usage::cpu_seconds(child.id());
        cpu = if own > cpu { own } else { cpu };
        memory = crate::usage::peak_bytes(child.id()).max(memory);
        if server.is_none() {
            server = reader(pg, slot).await?;
        }
        server_cpu = server.map_or(0.0, crate::usage::own_cpu_seconds).max(server_cpu);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        anyhow::ensure!(started.elapsed() < Duration::from_secs(900), "pg_recvlogical does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    anyhow::ensure!(status.success(), "pg_recvlogical failed: {status}");
    let seconds = started.elapsed().as_secs_f64();
    drop_slot(pg, slot).await?;
    let rows = loaded.rows as f64;
    Ok(Limit { rate: rows / seconds, seconds, cpu: cpu * 1e6 / rows, server: server_cpu / seconds, memory })
}

/// A fresh table with its publication `pub_<table>`.
pub async fn table(pg: &Postgres, name: &str) -> anyhow::Result<()> {
    let columns = "id bigint primary key, customer text, email text, city text, amount numeric(12,2), quantity int, active boolean, \
                   created_at timestamptz, ref uuid, note text";
    for sql in [
        format!("drop publication if exists pub_{name}"),
        format!("drop table if exists {name}"),
        format!("create table {name} ({columns})"),
        format!("create publication pub_{name} for table {name}"),
    ] {
        pg.execute("src", &sql).await?;
    }
    Ok(())
}

pub async fn create_slot(pg: &Postgres, slot: &str) -> anyhow::Result<()> {
    pg.execute("src", &format!("select pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await
}

/// A slot that stands before the first loaded row.
pub async fn copy_slot(pg: &Postgres, slot: &str) -> anyhow::Result<()> {
    pg.execute("src", &format!("select pg_copy_logical_replication_slot('{BASE_SLOT}', '{slot}')")).await
}

/// Drops a slot once nobody reads it any more.
pub async fn drop_slot(pg: &Postgres, slot: &str) -> anyhow::Result<()> {
    let sql = format!("select pg_drop_replication_slot('{slot}')");
    eventually("the slot is free", Duration::from_secs(60), || pg.execute("src", &sql)).await
}

/// The server's process that somebody reads the slot from.
pub async fn reader(pg: &Postgres, slot: &str) -> anyhow::Result<Option<u32>> {
    let found =
        pg.query("src", &format!("select active_pid from pg_replication_slots where slot_name = '{slot}' and active")).await?;
    Ok(found.first().and_then(|p| p.parse().ok()))
}
