//! Server checks, publications, slots and catalogs against a PostgreSQL of its own, by way of psql.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use millrace_plugin::postgres::{ColumnName, Rowset};
use millrace_plugin::{Config, Error};
use postgres_source::catalog;
use postgres_source::connection::{Connection, CopyRows, Wal};
use postgres_source::info::info;
use postgres_source::options::Options;
use postgres_source::setup;

/// What psql prints for null.
const NULL: &str = "(null)";
/// Ends a field, and a row; no catalog has them in a value.
const FIELD: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// A server of its own, gone when it is dropped.
struct Server {
    bin: PathBuf,
    dir: PathBuf,
    root: bool,
}

impl Server {
    /// None: there is no PostgreSQL on this machine.
    fn start() -> Option<Server> {
        let bin = std::fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|d| Some(d.ok()?.path().join("bin")))
            .filter(|b| b.join("initdb").exists())
            .max()?;
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"));
        let dir = Command::new("mktemp").args(["-d", "/tmp/millrace-pg.XXXXXX"]).output().expect("mktemp");
        let dir = PathBuf::from(String::from_utf8(dir.stdout).expect("a path").trim());
        let server = Server { bin, dir, root };
        if root {
            assert!(Command::new("chown").arg("postgres").arg(&server.dir).status().expect("chown").success());
        }
        server.run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        // A socket in the directory, and no port: nobody else can be met there.
        server.up("start", "logical");
        Some(server)
    }
    fn up(&self, how: &str, wal_level: &str) {
        let dir = self.dir.display();
        let conf = format!("-h '' -k {dir} -c wal_level={wal_level} -c fsync=off -c max_replication_slots=4");
        self.run("pg_ctl", &["-w", "-l", &self.path("log"), "-o", &conf, how]);
    }
    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
    fn run(&self, program: &str, args: &[&str]) {
        let mut command = if self.root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(self.bin.join(program));
            command
        } else {
            Command::new(self.bin.join(program))
        };
        let status = command.args(["-D", &self.path("data")]).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|s| s.success()), "{program} failed; see {}", self.path("log"));
    }
    fn session(&self, user: &str, database: &str, replication: bool) -> Psql {
        let replication = if replication { " replication=database" } else { "" };
        let target = format!("host={} user={user} dbname={database}{replication}", self.dir.display());
        Psql { program: self.bin.join("psql"), target }
    }
    fn connect(&self) -> Psql {
        self.session("postgres", "postgres", false)
    }
    fn wal(&self) -> Psql {
        self.session("postgres", "postgres", true)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Each statement in a session of its own.
struct Psql {
    program: PathBuf,
    target: String,
}

impl Psql {
    fn ask(&self, sql: &str) -> Result<Rowset, Error> {
        let output = Command::new(&self.program)
            .args(["-X", "-q", "-A", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-P", "footer=off"])
            .args(["-P", &format!("null={NULL}"), "-F", &FIELD.to_string(), "-R", &ROW.to_string()])
            .args(["-d", &self.target, "-c", sql])
            .output()
            .map_err(|e| Error::fatal("psql", e.to_string()))?;
        if !output.status.success() {
            // ERROR:  42501: permission denied ...
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let mut parts = text.lines().next().unwrap_or_default().splitn(3, ": ").map(str::trim);
            let (_, state, message) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            return Err(Error::fatal(format!("postgres.{state}"), message));
        }
        let text = String::from_utf8(output.stdout).map_err(|e| Error::fatal("psql", e.to_string()))?;
        let mut rows = text.trim_end_matches('\n').split(ROW).map(|r| r.split(FIELD).map(str::to_owned).collect::<Vec<_>>());
        let columns = rows.next().unwrap_or_default().into_iter().map(|name| ColumnName { name, oid: 0 }).collect();
        let rows = rows.map(|r| r.into_iter().map(|v| (v != NULL).then_some(v)).collect()).collect();
        Ok(Rowset { columns, rows })
    }
    fn run(&self, sql: &str) {
        self.ask(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    /// The first column, joined.
    fn list(&self, sql: &str) -> String {
        let answer = self.ask(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        answer.rows.iter().map(|r| r[0].as_deref().unwrap_or(NULL)).collect::<Vec<_>>().join(" ")
    }
}

impl Connection for Psql {
    fn query(&mut self, sql: &str) -> Result<Rowset, Error> {
        self.ask(sql)
    }
    fn copy_out(&mut self, _: &str) -> Result<Box<dyn CopyRows>, Error> {
        unreachable!("nothing here copies")
    }
}

impl Wal for Psql {
    fn query(&mut self, command: &str) -> Result<Rowset, Error> {
        self.ask(command)
    }
    fn start(&mut self, _: &str) -> Result<(), Error> {
        unreachable!("nothing here streams")
    }
    fn next(&mut self, _: u32, _: u32) -> Result<Vec<u8>, Error> {
        unreachable!("nothing here streams")
    }
    fn ack(&mut self, _: u64) -> Result<(), Error> {
        unreachable!("nothing here streams")
    }
}

fn options(settings: &[(&str, &str)]) -> Options {
    let base = [("database.hostname", "h"), ("database.user", "app"), ("database.dbname", "postgres"), ("topic.prefix", "t")];
    let config = Config::new(base.iter().chain(settings).copied()).with_defaults(&info().keys);
    Options::parse(&config).unwrap_or_else(|e| panic!("{e:?}"))
}

/// The message of what must fail.
fn refusal<T>(result: Result<T, Error>, parts: &[&str]) {
    let Err(error) = result else { panic!("no error, but one with {parts:?} is expected") };
    for part in parts {
        assert!(error.message.contains(part), "\"{part}\" is not in: {}", error.message);
    }
}

#[test]
fn what_is_asked_of_a_server() {
    let Some(server) = Server::start() else {
        eprintln!("left out: no initdb under /usr/lib/postgresql/*/bin; install PostgreSQL");
        return;
    };
    let mut pg = server.connect();
    for sql in [
        "CREATE ROLE app LOGIN",
        "CREATE DATABASE other",
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "ALTER TYPE mood ADD VALUE 'worse' BEFORE 'sad'",
        "CREATE DOMAIN price AS numeric(8,2)",
        "CREATE TABLE a (id int PRIMARY KEY, gone int, m mood[] NOT NULL DEFAULT '{}', p price, g int GENERATED ALWAYS AS (id * 2) STORED)",
        "ALTER TABLE a DROP COLUMN gone",
        "CREATE TABLE b (y text, x int, PRIMARY KEY (x, y))",
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "CREATE TEMP TABLE away (id int)",
        "CREATE VIEW v AS SELECT 1",
    ] {
        pg.run(sql);
    }
    roles(&server, &mut pg);
    catalogs(&mut pg);
    publications(&server, &mut pg);
    slots(&server, &mut pg);
    what_cannot_be_captured(&server, &mut pg);
}

fn roles(server: &Server, pg: &mut Psql) {
    let found = setup::check_server(pg, &options(&[])).expect("a server that can be captured");
    assert!(found.version >= 120_000);
    let mut app = server.session("app", "postgres", false);
    refusal(setup::check_server(&mut app, &options(&[])), &["\"app\"", "ALTER ROLE \"app\" REPLICATION"]);
    // As on a managed server, where the attribute cannot be had.
    pg.run("CREATE ROLE rds_replication");
    pg.run("GRANT rds_replication TO app");
    setup::check_server(&mut app, &options(&[])).expect("a member of rds_replication");
}

fn catalogs(pg: &mut Psql) {
    let names = |tables: Vec<catalog::Table>| tables.into_iter().map(|t| t.name).collect::<Vec<_>>();
    let tables = catalog::tables(pg, &options(&[])).expect("tables");
    let a = tables.iter().find(|t| t.name == "a").expect("a").clone();
    let b = tables.iter().find(|t| t.name == "b").expect("b").clone();
    assert_eq!(names(tables), ["a", "b", "parts_1"]);
    let roots = catalog::tables(pg, &options(&[("publish.via.partition.root", "true")])).expect("tables");
    assert_eq!(names(roots), ["a", "b", "parts"]);
    let some = catalog::tables(pg, &options(&[("table.include.list", "PUBLIC\\.[ab]")])).expect("tables");
    assert_eq!(names(some), ["a", "b"]);

    let columns: Vec<_> = a.columns.iter().map(|c| (c.name.as_str(), c.not_null, c.generated, c.key)).collect();
    assert_eq!(
        columns,
        [("id", true, false, Some(1)), ("m", true, false, None), ("p", false, false, None), ("g", false, true, None)]
    );
    let keys: Vec<_> = b.columns.iter().map(|c| (c.name.as_str(), c.key)).collect();
    assert_eq!(keys, [("y", Some(2)), ("x", Some(1))]);
    assert_eq!(catalog::table(pg, a.oid).expect("a table"), Some(a.clone()));
    assert_eq!(catalog::table(pg, 1).expect("no table"), None);

    let types = catalog::types(pg).expect("types");
    let catalog::PgKind::Array { element, delimiter: b',' } = types.get(a.columns[1].type_oid).expect("mood[]").kind else {
        panic!("mood[] is no array")
    };
    let labels = ["worse", "sad", "ok"].map(str::to_owned).to_vec();
    assert_eq!(types.get(element).expect("mood").kind, catalog::PgKind::Enum(labels));
    let price = &types.get(a.columns[2].type_oid).expect("price").kind;
    assert!(matches!(price, catalog::PgKind::Domain { base: 1700, modifier } if *modifier == (8 << 16 | 2) + 4), "{price:?}");
}

fn publications(server: &Server, pg: &mut Psql) {
    let published = |pg: &Psql, name: &str| {
        pg.list(&format!("SELECT tablename FROM pg_publication_tables WHERE pubname = '{name}' ORDER BY 1"))
    };
    let make = |pg: &mut Psql, settings: &[(&str, &str)]| {
        let options = options(settings);
        let tables = catalog::tables(pg, &options)?;
        setup::publication(pg, &options, &tables)
    };
    let disabled = [("publication.autocreate.mode", "disabled"), ("publication.name", "it's")];
    refusal(make(pg, &disabled), &["\"it's\" does not exist", "CREATE PUBLICATION \"it's\" FOR TABLE"]);

    let filtered =
        |list| [("publication.autocreate.mode", "filtered"), ("publication.name", "some"), ("table.include.list", list)];
    make(pg, &filtered("public.a")).expect("made");
    assert_eq!(published(pg, "some"), "a");
    make(pg, &filtered("public.a,public.b")).expect("changed");
    make(pg, &filtered("public.a,public.b")).expect("left as it is");
    assert_eq!(published(pg, "some"), "a b");
    refusal(make(pg, &filtered("public.none")), &["table.include.list"]);

    make(pg, &[("publication.autocreate.mode", "no_tables"), ("publication.name", "none")]).expect("made");
    assert_eq!(published(pg, "none"), "");
    make(pg, &[("skipped.operations", "d,t")]).expect("made");
    assert_eq!(published(pg, "dbz_publication"), "a b parts_1");
    let what = "SELECT concat(puballtables, pubinsert, pubupdate, pubdelete, pubtruncate) FROM pg_publication WHERE pubname = 'dbz_publication'";
    assert_eq!(pg.list(what), "tttff");

    let mut app = server.session("app", "postgres", false);
    let not_allowed = [("publication.name", "theirs")];
    refusal(make(&mut app, &not_allowed), &["\"app\"", "CREATE PUBLICATION \"theirs\" FOR ALL TABLES", "disabled"]);
}

fn slots(server: &Server, pg: &mut Psql) {
    let found = setup::check_server(pg, &options(&[])).expect("a server");
    let mine = options(&[("slot.name", "mine")]);
    assert!(setup::slot(pg, &mine).expect("a look").is_none());
    let created = setup::create_slot(pg, &mut server.wal(), &mine, found).expect("made");
    assert!(!created.snapshot.is_empty());
    let slot = setup::slot(pg, &mine).expect("a look").expect("a slot");
    assert_eq!(slot.confirmed, created.consistent_point);
    assert_eq!(created.consistent_point.to_string().parse(), Ok(created.consistent_point));

    let failover = options(&[("slot.name", "f"), ("slot.failover", "true")]);
    if found.version < 170_000 {
        refusal(setup::create_slot(pg, &mut server.wal(), &failover, found), &["\"slot.failover\" is true", "PostgreSQL 17"]);
    }
    pg.run("SELECT pg_create_physical_replication_slot('physical')");
    refusal(setup::slot(pg, &options(&[("slot.name", "physical")])), &["\"physical\"", "pg_drop_replication_slot"]);
    let other = server.session("postgres", "other", false);
    other.run("SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')");
    refusal(setup::slot(pg, &options(&[("slot.name", "elsewhere")])), &["\"elsewhere\"", "database \"other\""]);
    pg.run("SELECT pg_create_logical_replication_slot('plugin', 'test_decoding')");
    refusal(setup::slot(pg, &options(&[("slot.name", "plugin")])), &["test_decoding", "pgoutput"]);

    // The server has four.
    let fifth = options(&[("slot.name", "fifth")]);
    let full = setup::create_slot(pg, &mut server.wal(), &fifth, found);
    assert!(full.as_ref().is_err_and(Error::is_retriable));
    refusal(full, &["max_replication_slots"]);

    setup::drop_slot(pg, &mine).expect("dropped");
    setup::drop_slot(pg, &mine).expect("nothing to drop");
    assert!(setup::slot(pg, &mine).expect("a look").is_none());
}

fn what_cannot_be_captured(server: &Server, pg: &mut Psql) {
    pg.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'postgres' OR database IS NULL",
    );
    server.session("postgres", "other", false).run("SELECT pg_drop_replication_slot('elsewhere')");
    server.up("restart", "replica");
    refusal(setup::check_server(pg, &options(&[])), &["wal_level=replica", "set wal_level=logical"]);

    server.up("restart", "logical");
    std::fs::write(server.dir.join("data/standby.signal"), "").expect("standby.signal");
    server.up("restart", "logical");
    match setup::check_server(pg, &options(&[])) {
        Ok(found) => assert!(found.version >= 160_000),
        refused => refusal(refused, &["standby", "database.hostname"]),
    }
    let theirs = [("publication.name", "late")];
    refusal(setup::publication(pg, &options(&theirs), &[]), &["read-only", "CREATE PUBLICATION \"late\"", "primary"]);
}
