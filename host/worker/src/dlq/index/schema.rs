//! The tables, and how the file is kept.

use rusqlite::{Connection, TransactionBehavior};

/// Another version is made anew.
const VERSION: i64 = 1;

const TABLES: &str = "
    -- How far each partition is: the next offset, and the last record that was read, by which a topic that was made anew is known.
    CREATE TABLE partitions (
        partition INTEGER PRIMARY KEY, start INTEGER NOT NULL, next INTEGER NOT NULL, seen_offset INTEGER, seen_hash INTEGER);
    -- An error and a template of its message.
    CREATE TABLE causes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, error TEXT, template TEXT NOT NULL);
    -- What records have in common. A group is a kind and an outcome: kind * 4 + outcome.
    CREATE TABLE kinds (
        id INTEGER PRIMARY KEY, cause INTEGER NOT NULL, stage TEXT, connector TEXT, version TEXT, topic TEXT, partition INTEGER);
    -- id: partition and offset; at: when it failed; source: its offset in the source topic; varying: what the template leaves out.
    CREATE TABLE records (id INTEGER PRIMARY KEY, grp INTEGER NOT NULL, at INTEGER NOT NULL, source INTEGER, varying TEXT);
    CREATE INDEX records_grp ON records (grp);
    -- Records of a group in an hour.
    CREATE TABLE totals (grp INTEGER, hour INTEGER, records INTEGER NOT NULL, PRIMARY KEY (grp, hour)) WITHOUT ROWID;
    -- The times of neighbouring records.
    CREATE TABLE spans (span INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
    -- What became of records; also of those that are yet to be read again.
    CREATE TABLE outcomes (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, at INTEGER NOT NULL, by_whom TEXT, reason TEXT);
";

pub fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 8192)?;
    // The log has everything: what an index needs is to be whole, not to be on the disk at once.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
