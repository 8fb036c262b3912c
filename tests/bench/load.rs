//! The table that is measured: ten columns, about 760 bytes as an event of Debezium's without schemas.

use millrace_tests::Postgres;

const ROW: &str = "g, 'customer-' || g, 'user' || g || '@example.com', (array['Lisbon','Osaka','Quito','Tromso'])[1 + g % 4], \
                   (g % 100000) / 100.0, (g % 97)::int, g % 2 = 0, timestamptz '2026-01-01' + g * interval '1 second', md5(g::text)::uuid, \
                   rpad('note ' || g, 90, 'abcdefghij')";

/// What `insert into <table>` takes for the ids `lo..=hi`.
pub fn rows(lo: i64, hi: i64) -> String {
    format!("select {ROW} from generate_series({lo}::bigint, {hi}::bigint) g")
}

/// The procedure that loads rows in transactions of 1,000.
pub async fn prepare(pg: &Postgres) -> anyhow::Result<()> {
    let row = ROW.replace('\'', "''").replace('%', "%%");
    pg.execute(
        "src",
        &format!(
            "create or replace procedure load_rows(t text, lo bigint, hi bigint) language plpgsql as $$ declare i bigint := lo; begin \
             while i <= hi loop execute format('insert into %I select {row} from generate_series($1, $2) g', t) using i, least(i + 999, hi); \
             commit; i := i + 1000; end loop; end $$"
        ),
    )
    .await
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

pub async fn load(pg: &Postgres, name: &str, rows: i64) -> anyhow::Result<()> {
    pg.execute("src", &format!("call load_rows('{name}', 1, {rows})")).await
}

pub async fn create_slot(pg: &Postgres, slot: &str) -> anyhow::Result<()> {
    pg.execute("src", &format!("select pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await
}

/// Drops every slot that nobody reads.
pub async fn drop_slots(pg: &Postgres) -> anyhow::Result<()> {
    pg.execute("src", "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active").await
}

/// Drops one slot once nobody reads it any more.
pub async fn drop_slots_named(pg: &Postgres, slot: &str) -> anyhow::Result<()> {
    let sql = format!("select pg_drop_replication_slot('{slot}')");
    millrace_tests::eventually("the slot is free", std::time::Duration::from_secs(30), || pg.execute("src", &sql)).await
}
