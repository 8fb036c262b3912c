//! What the source needs on the server: its settings, the publication, the slot, a snapshot's transaction.

use std::time::Duration;

use millrace_plugin::Error;
use millrace_plugin::postgres::{quote_ident, quote_literal, quote_qualified};

use crate::catalog::{Table, first, number, text};
use crate::connection::{Connection, Wal};
use crate::options::{Operation, Options, PublicationMode};
use crate::shape::Incoming;
use crate::wal::Lsn;

/// How long to leave a slot alone that another connection uses.
const SLOT_BUSY: Duration = Duration::from_secs(2);

/// A server that can be captured.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// As in `server_version_num`: 150004.
    pub version: u32,
}

/// A slot as the server shows it.
#[derive(Debug, Clone)]
pub struct Slot {
    pub confirmed: Lsn,
}

/// A slot that was just made.
#[derive(Debug, Clone)]
pub struct Created {
    /// It gives what was committed from here on.
    pub consistent_point: Lsn,
    /// The name of a snapshot of what was committed before, which lives as long as the connection is left alone.
    pub snapshot: String,
}

/// Whether the server can be captured; the error names the setting, its value and the remedy.
pub fn check_server(connection: &mut dyn Connection, options: &Options) -> Result<Found, Error> {
    let answer = connection.query(
        "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('wal_level'), \
           (SELECT r.rolsuper OR r.rolreplication FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), \
           EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin') \
             AND pg_catalog.pg_has_role(r.oid, 'MEMBER')), pg_catalog.pg_is_in_recovery()",
    )?;
    let row = first(&answer)?;
    let version = number(row, 0)?;
    if version < 120_000 {
        return Err(Error::fatal(
            "postgres.version",
            format!("the server has version {}; 12 or later is needed", version / 10_000),
        ));
    }
    // Later ones decode on a standby too.
    if version < 160_000 && text(row, 4)? == "t" {
        return Err(Error::fatal(
            "postgres.standby",
            format!(
                "the server is a standby, which cannot be captured before version 16 (it has {}); set database.hostname to the primary, or \
                 promote it with SELECT pg_promote()",
                version / 10_000
            ),
        ));
    }
    let level = text(row, 1)?;
    if level != "logical" {
        return Err(Error::fatal(
            "postgres.wal-level",
            format!(
                "the server has wal_level={level}, which cannot be captured; set wal_level=logical in postgresql.conf (ALTER SYSTEM SET wal_level = 'logical') and restart the server"
            ),
        ));
    }
    if text(row, 2)? != "t" && text(row, 3)? != "t" {
        let role = quote_ident(&options.user);
        return Err(Error::fatal(
            "postgres.role",
            format!("user \"{}\" may not replicate; grant it with ALTER ROLE {role} REPLICATION", options.user),
        ));
    }
    Ok(Found { version })
}

/// Makes the publication, or changes it, as `publication.autocreate.mode` says.
pub fn publication(connection: &mut dyn Connection, options: &Options, tables: &[Table]) -> Result<(), Error> {
    let (name, mode) = (&options.publication_name, options.publication_mode);
    let quoted = quote_ident(name);
    let publish: Vec<&str> = [
        ("insert", Operation::Create),
        ("update", Operation::Update),
        ("delete", Operation::Delete),
        ("truncate", Operation::Truncate),
    ]
    .into_iter()
    .filter(|(_, operation)| !options.skips(*operation))
    .map(|(word, _)| word)
    .collect();
    let with = format!("WITH (publish = '{}', publish_via_partition_root = {})", publish.join(", "), options.via_root);
    let list = tables.iter().map(|t| quote_qualified(Some(&t.schema), &t.name)).collect::<Vec<_>>().join(", ");

    let exists = format!("SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = {}", quote_literal(name));
    let statement = match (connection.query(&exists)?.rows.first(), mode) {
        (None, PublicationMode::Disabled) => {
            return Err(Error::fatal(
                "postgres.publication",
                format!(
                    "publication \"{name}\" does not exist, and publication.autocreate.mode=disabled; make it with \
                     CREATE PUBLICATION {quoted} FOR TABLE ..., or set another mode"
                ),
            ));
        }
        (None, PublicationMode::AllTables) => format!("CREATE PUBLICATION {quoted} FOR ALL TABLES {with}"),
        (None, PublicationMode::NoTables) => format!("CREATE PUBLICATION {quoted} {with}"),
        (_, PublicationMode::Filtered) if tables.is_empty() => {
            return Err(Error::fatal(
                "postgres.publication",
                "publication.autocreate.mode=filtered, and no table matches the filters; correct table.include.list or its kin, or \
                 make the tables first",
            ));
        }
        (None, PublicationMode::Filtered) => format!("CREATE PUBLICATION {quoted} FOR TABLE {list} {with}"),
        (Some(row), PublicationMode::Filtered) if text(row, 0)? == "f" => {
            if published(connection, name)? == wanted(tables) {
                return Ok(());
            }
            format!("ALTER PUBLICATION {quoted} SET TABLE {list}")
        }
        (Some(_), _) => return Ok(()),
    };
    match connection.query(&statement) {
        Ok(_) => Ok(()),
        // Somebody made it at the same moment.
        Err(e) if e.sqlstate() == Some("42710") => Ok(()),
        Err(e) if e.sqlstate() == Some("42501") => Err(Error::fatal(
            "postgres.publication",
            format!(
                "user \"{}\" may not make publication \"{name}\": {}; make it as the tables' owner or a superuser with {statement}, and \
                 set publication.autocreate.mode=disabled",
                options.user, e.message
            ),
        )),
        Err(e) if e.sqlstate() == Some("25006") => Err(Error::fatal(
            "postgres.publication",
            format!(
                "publication \"{name}\" cannot be made or changed: the server is read-only ({}); run this on the primary: {statement}, and \
                 set publication.autocreate.mode=disabled",
                e.message
            ),
        )),
        Err(e) => Err(e.context("making the publication")),
    }
}

fn published(connection: &mut dyn Connection, publication: &str) -> Result<Vec<(String, String)>, Error> {
    let sql = format!(
        "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = {} ORDER BY 1, 2",
        quote_literal(publication)
    );
    connection.query(&sql)?.rows.iter().map(|r| Ok((text(r, 0)?.to_owned(), text(r, 1)?.to_owned()))).collect()
}

fn wanted(tables: &[Table]) -> Vec<(String, String)> {
    let mut names: Vec<_> = tables.iter().map(|t| (t.schema.clone(), t.name.clone())).collect();
    names.sort();
    names
}

/// The slot, when it is there and can be used.
pub fn slot(connection: &mut dyn Connection, options: &Options) -> Result<Option<Slot>, Error> {
    let name = &options.slot_name;
    let answer = connection.query(&format!(
        "SELECT s.slot_type, s.plugin, s.database, s.active_pid, s.confirmed_flush_lsn, \
           COALESCE(pg_catalog.to_jsonb(s) ->> 'wal_status', 'reserved'), pg_catalog.current_database() \
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = {}",
        quote_literal(name)
    ))?;
    let Some(row) = answer.rows.first() else { return Ok(None) };
    let refused = |what: String| {
        Error::fatal(
            "postgres.slot",
            format!("{what}; give the connector another slot.name, or drop it with SELECT pg_drop_replication_slot('{name}')"),
        )
    };
    if text(row, 0)? != "logical" {
        return Err(refused(format!("slot \"{name}\" is a physical one")));
    }
    let (plugin, database, here) = (text(row, 1)?, text(row, 2)?, text(row, 6)?);
    if plugin != "pgoutput" {
        return Err(refused(format!("slot \"{name}\" is of the plugin {plugin}, not pgoutput")));
    }
    if database != here {
        return Err(refused(format!("slot \"{name}\" is of database \"{database}\", not \"{here}\"")));
    }
    if text(row, 5)? == "lost" {
        return Ok(None);
    }
    if let Some(Some(pid)) = row.get(3) {
        return Err(Error::retriable("postgres.slot-active", format!("slot \"{name}\" is in use by the server's process {pid}; stop the other reader, or give the connector another slot.name")).retry_after(SLOT_BUSY));
    }
    let confirmed = match row.get(4) {
        Some(Some(lsn)) => lsn
            .parse()
            .map_err(|()| Error::fatal("postgres.slot", format!("slot \"{name}\" is at \"{lsn}\", which is no position")))?,
        _ => return Err(Error::retriable("postgres.slot", format!("slot \"{name}\" is still being made")).retry_after(SLOT_BUSY)),
    };
    Ok(Some(Slot { confirmed }))
}

/// Makes the slot; one of that name whose log was lost is dropped first.
pub fn create_slot(
    connection: &mut dyn Connection,
    wal: &mut dyn Wal,
    options: &Options,
    found: Found,
) -> Result<Created, Error> {
    let name = &options.slot_name;
    drop_slot(connection, options)?;
    let how = match (options.slot_failover, found.version) {
        (true, 170_000..) => "(SNAPSHOT 'export', FAILOVER true)",
        (true, version) => {
            let message =
                format!("\"slot.failover\" is true, which needs PostgreSQL 17; the server has version {}", version / 10_000);
            return Err(Error::config("slot.failover", message));
        }
        (false, 150_000..) => "(SNAPSHOT 'export')",
        (false, _) => "EXPORT_SNAPSHOT",
    };
    create(wal, &format!("{} LOGICAL pgoutput {how}", quote_ident(name)))
}

/// Makes a slot that only says where in the log a snapshot is, beside the connector's own.
pub fn create_temporary_slot(wal: &mut dyn Wal, options: &Options, found: Found) -> Result<Created, Error> {
    let how = if found.version >= 150_000 { "(SNAPSHOT 'export')" } else { "EXPORT_SNAPSHOT" };
    create(wal, &format!("{} TEMPORARY LOGICAL pgoutput {how}", quote_ident(&temporary(options))))
}

/// Drops that slot, once the snapshot's transaction has begun.
pub fn drop_temporary_slot(wal: &mut dyn Wal, options: &Options) -> Result<(), Error> {
    wal.query(&format!("DROP_REPLICATION_SLOT {}", quote_ident(&temporary(options)))).map(drop)
}

fn temporary(options: &Options) -> String {
    // Names end at 63 bytes; these are ASCII.
    format!("{}_snapshot", &options.slot_name[..options.slot_name.len().min(54)])
}

fn create(wal: &mut dyn Wal, what: &str) -> Result<Created, Error> {
    let answer = wal.query(&format!("CREATE_REPLICATION_SLOT {what}")).map_err(|e| match e.sqlstate() {
        Some("53400") => Error::retriable(
            "postgres.slot",
            format!("cannot make a slot: {}; raise max_replication_slots, or drop a slot that nobody reads", e.message),
        ),
        _ => e.context("making a slot"),
    })?;
    match (answer.first("consistent_point").and_then(|p| p.parse().ok()), answer.first("snapshot_name")) {
        (Some(consistent_point), Some(snapshot)) => Ok(Created { consistent_point, snapshot: snapshot.to_owned() }),
        _ => Err(Error::fatal("postgres.slot", "the server does not say where a new slot starts")),
    }
}

/// Drops the slot when it is there.
pub fn drop_slot(connection: &mut dyn Connection, options: &Options) -> Result<(), Error> {
    let sql = format!(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = {}",
        quote_literal(&options.slot_name)
    );
    connection.query(&sql).map(drop)
}

/// The command that starts the stream.
pub fn start_replication(options: &Options, found: Found, from: Lsn) -> String {
    let publication = quote_ident(&options.publication_name);
    let mut params = vec![("proto_version".to_owned(), "1".to_owned()), ("publication_names".to_owned(), publication)];
    // Also where messages are left out: a place in the midst of a transaction counts them, whatever is set later.
    if found.version >= 140_000 {
        params.push(("messages".to_owned(), "true".to_owned()));
    }
    params.extend(options.stream_params.iter().cloned());
    let params: Vec<String> =
        params.iter().map(|(name, value)| format!("{} '{}'", quote_ident(name), value.replace('\'', "''"))).collect();
    format!("START_REPLICATION SLOT {} LOGICAL {from} ({})", quote_ident(&options.slot_name), params.join(", "))
}

/// What to tell of a stream that could not be started.
pub fn explain_start(error: Error, options: &Options) -> Error {
    let name = &options.slot_name;
    match error.sqlstate() {
        Some("42704") if error.message.contains("replication slot") => Error::fatal(
            "postgres.position-lost",
            format!(
                "slot \"{name}\" does not exist any more: changes made since are lost to this connector; set \
                 snapshot.mode=when_needed to read the tables again, or delete the connector's offsets to begin anew"
            ),
        ),
        Some("55006") => Error::retriable("postgres.slot-active", format!("slot \"{name}\" is in use: {}", error.message))
            .retry_after(SLOT_BUSY),
        _ => error,
    }
}

/// Begins a transaction that sees the moment of an exported snapshot; answers a transaction that it sees as running or
/// not yet begun.
pub fn begin_snapshot(connection: &mut dyn Connection, exported: &str) -> Result<u32, Error> {
    connection.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    connection.query(&format!("SET TRANSACTION SNAPSHOT {}", quote_literal(exported)))?;
    let answer = connection.query("SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) & 4294967295")?;
    number(first(&answer)?, 0)
}

/// Keeps tables from being changed while they are read: their rows may be read and written, their shape stays.
pub fn lock(connection: &mut dyn Connection, tables: &[&Table]) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let list = tables.iter().map(|t| quote_qualified(Some(&t.schema), &t.name)).collect::<Vec<_>>().join(", ");
    connection.query(&format!("LOCK TABLE {list} IN ACCESS SHARE MODE")).map(drop)
}

/// The statement that reads a table.
pub fn snapshot_statement(options: &Options, table: &Table, columns: &[Incoming]) -> String {
    let list = columns.iter().map(|c| quote_ident(&c.name)).collect::<Vec<_>>().join(", ");
    let name = format!("{}.{}", table.schema, table.name);
    let from = match options.snapshot_overrides.iter().find(|(t, _)| *t == name) {
        Some((_, statement)) => format!("({}) AS rows", statement.trim().trim_end_matches(';')),
        // Rows of tables that inherit from it are theirs, as in the stream.
        None if table.kind == 'r' => format!("ONLY {}", quote_qualified(Some(&table.schema), &table.name)),
        None => quote_qualified(Some(&table.schema), &table.name),
    };
    format!("COPY (SELECT {list} FROM {from}) TO STDOUT")
}
