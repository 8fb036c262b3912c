//! A job is cancelled, and its worker killed, while PostgreSQL commits the batch in hand: what is in the table has its outcome,
//! and no later job writes it again.

use anyhow::ensure;
use millrace_tests::{Log, eventually};
use serde_json::json;

use crate::dlq_redrive::{WITHIN, ask, dead, job, mended, outcomes, reached, rows};

/// A commit that waits for who has the lock.
const SLOW_COMMIT: &str = "create function slow() returns trigger language plpgsql as
     'begin perform pg_advisory_xact_lock(7); return null; end';
     create constraint trigger slow after insert on orders deferrable initially deferred for each row execute function slow()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_when_a_job_was_cancelled_has_its_outcome() -> anyhow::Result<()> {
    let (pg, mut worker) = dead(Log::Embedded, 10, &[("exactly.once", "true"), ("insert.mode", "insert")]).await?;
    mended(&pg).await?;
    pg.execute("dst", "alter table orders drop constraint orders_pkey").await?;
    pg.execute("dst", SLOW_COMMIT).await?;
    let holder = pg.client("dst").await?;
    holder.batch_execute("select pg_advisory_lock(7)").await?;
    let id = job(&worker, "redrive", json!({"all": true})).await?;
    eventually("the commit waits", WITHIN, || async {
        let waiting = pg.query("dst", "select 1 from pg_locks where locktype = 'advisory' and not granted").await?;
        ensure!(waiting.len() == 1, "{waiting:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let (status, body) = ask(&worker, &format!("jobs/{id}/cancel"), json!({})).await?;
    ensure!(status == 202, "{status} {body}");
    worker.kill();
    holder.batch_execute("select pg_advisory_unlock(7)").await?;
    eventually("it is committed", WITHIN, || async {
        let rows = rows(&pg).await?;
        ensure!(rows.len() == 10, "{rows:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    worker.up().await?;
    reached(&worker, &id, "CANCELLED").await?;
    let second = job(&worker, "redrive", json!({"all": true})).await?;
    reached(&worker, &second, "DONE").await?;
    let (rows, of) = (rows(&pg).await?, outcomes(&worker).await?);
    ensure!(rows.len() == 10, "redriven twice: {rows:?}");
    ensure!(of.len() == 5 && of.values().all(|o| o.len() == 1 && o[0]["job"] == 1), "{of:?}");
    Ok(())
}
