//! Against a real PostgreSQL, private to the test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use millrace_record::config::ConfigDef;
use millrace_record::{Binding, RawConfig, Wake};

use super::*;
use crate::bindings::postgres::{Binary, Statement};
use crate::settings::Settings;
use crate::state::Owner;

struct Server {
    port: u16,
    dir: tempfile::TempDir,
    bin: PathBuf,
}

/// PostgreSQL does not run as root: as root its programs run as the user `postgres`.
fn run(program: &Path, args: &[&str]) {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let mut command = if root { Command::new("runuser") } else { Command::new(program) };
    if root {
        command.args(["-u", "postgres", "--"]).arg(program);
    }
    let out = command.args(args).stdin(Stdio::null()).current_dir("/").output().expect("PostgreSQL is installed");
    assert!(
        out.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

impl Server {
    fn start() -> Server {
        let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL under /usr/lib/postgresql");
        let bin = versions.flatten().map(|d| d.path().join("bin")).filter(|b| b.join("initdb").exists()).max().expect("initdb");
        let dir = tempfile::Builder::new().prefix("millrace-sandbox-pg").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server { port, dir, bin };
        let (data, cert, key) = (server.path("data"), server.path("data/server.crt"), server.path("data/server.key"));
        run(&server.bin.join("initdb"), &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        let openssl = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
        let names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &cert];
        run(Path::new("openssl"), &[&openssl[..], &names].concat());
        let conf = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nwal_level = logical\nfsync = off\nssl = on\n\
             wal_sender_timeout = 1s\npassword_encryption = 'scram-sha-256'\n"
        );
        let hba = "host all postgres 127.0.0.1/32 trust\nhostssl all secure 127.0.0.1/32 scram-sha-256\nhostnossl all secure 127.0.0.1/32 reject\n\
                   host all old 127.0.0.1/32 md5\nhost all plain 127.0.0.1/32 password\nhost all all 127.0.0.1/32 scram-sha-256\n";
        for (name, text) in [("postgresql.auto.conf", conf.as_str()), ("pg_hba.conf", hba)] {
            std::fs::write(server.path(name), text).unwrap();
            std::fs::set_permissions(server.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
            run(Path::new("cp"), &[&server.path(name), &format!("{data}/{name}")]);
        }
        run(&server.bin.join("pg_ctl"), &["-D", &data, "-l", &server.path("log"), "-w", "start"]);
        server
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn target(&self, settings: &[(&str, &str)]) -> Result<Target, Error> {
        let mut config = RawConfig::from([
            ("database.hostname".into(), "localhost".into()),
            ("database.port".into(), self.port.to_string()),
            ("database.user".into(), "postgres".into()),
            ("database.dbname".into(), "postgres".into()),
        ]);
        config.extend(settings.iter().map(|(k, v)| (format!("database.{k}"), v.to_string())));
        let parts = [
            ("host", "hostname"),
            ("port", "port"),
            ("user", "user"),
            ("password", "password"),
            ("database", "dbname"),
            ("sslmode", "sslmode"),
            ("sslrootcert", "sslrootcert"),
        ];
        let parts = parts.iter().map(|(part, key)| (part.to_string(), format!("database.{key}"))).collect();
        let bindings = vec![Binding { name: "source".into(), capability: "postgres".into(), parts }];
        let owner = Owner {
            connector: "orders".into(),
            task: 3,
            settings: Settings::new(&config, &ConfigDef::default(), &bindings),
            keys: ConfigDef::default(),
            bindings,
            ..Owner::nobody("test".into())
        };
        Target::of(&owner, "source")
    }

    async fn open(&self, settings: &[(&str, &str)]) -> Result<Session, Error> {
        Session::open(Arc::new(self.target(settings)?), false).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        run(&self.bin.join("pg_ctl"), &["-D", &self.path("data"), "-m", "immediate", "-w", "stop"]);
    }
}

fn messages(packed: &[u8]) -> Vec<&[u8]> {
    let (mut at, mut out) = (0, Vec::new());
    while at < packed.len() {
        let len = u32::from_le_bytes(packed[at..at + 4].try_into().unwrap()) as usize;
        out.push(&packed[at + 4..at + 4 + len]);
        at += 4 + len;
    }
    out
}

async fn one(session: &mut Session, sql: &str) -> String {
    session.query(sql).await.unwrap().rows[0][0].clone().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_against_a_real_server() {
    let server = Server::start();
    let mut session = server.open(&[]).await.unwrap();
    statements(&mut session).await;
    roles(&server, &mut session).await;
    copies(&mut session).await;
    replication(&server, &mut session).await;
}

async fn statements(session: &mut Session) {
    assert_eq!(
        one(session, "select application_name from pg_stat_activity where pid = pg_backend_pid()").await,
        "millrace orders-3"
    );
    let rows = session.query("create table t (id int primary key, name text); select 1 as a, null as b").await.unwrap();
    assert_eq!(rows.columns.iter().map(|c| (c.name.as_str(), c.oid)).collect::<Vec<_>>(), [("a", 23), ("b", 25)]);
    assert_eq!(rows.rows, [[Some("1".to_owned()), None]]);

    let insert = "insert into t values ($1, $2)".to_owned();
    for id in 0..3 {
        let params = vec![Param::Text(id.to_string()), Param::Null];
        assert_eq!(session.execute(insert.clone(), params).await.unwrap(), 1);
    }
    // A whole column as one array: {10, 11}.
    let mut array = Vec::new();
    for n in [1u32, 0, 23, 2, 1, 4, 10, 4, 11] {
        array.extend_from_slice(&n.to_be_bytes());
    }
    let unnest = "insert into t select unnest($1), 'many'".to_owned();
    assert_eq!(session.execute(unnest, vec![Param::Binary(Binary { oid: 1007, data: array })]).await.unwrap(), 2);
    assert_eq!(one(session, "select count(*) from pg_prepared_statements").await, "2");

    let twice = session.execute(insert, vec![Param::Text("1".into()), Param::Null]).await.unwrap_err();
    assert_eq!((twice.code.as_str(), twice.kind), ("postgres.23505", ErrorKind::Fatal));
    assert!(twice.attributes.contains(&("constraint".into(), "t_pkey".into())), "{:?}", twice.attributes);
    let wrong = session.query("selec 1").await.unwrap_err();
    assert!(wrong.message.contains("syntax error") && wrong.message.contains("SQLSTATE 42601"), "{}", wrong.message);
    let copy = session.query("copy t from stdin").await.unwrap_err();
    assert!(copy.message.contains("copy-in"), "{}", copy.message);
    let copy = session.execute("copy t from stdin".into(), vec![]).await.unwrap_err();
    assert!(copy.message.contains("copy-in"), "{}", copy.message);
    assert_eq!(one(session, "select count(*) from t").await, "5");
    session.query("discard all").await.unwrap();
    let gone =
        session.execute("insert into t values ($1, $2)".into(), vec![Param::Text("7".into()), Param::Null]).await.unwrap_err();
    assert_eq!(gone.code, "postgres.26000");
    assert_eq!(
        session.execute("insert into t values ($1, $2)".into(), vec![Param::Text("7".into()), Param::Null]).await.unwrap(),
        1
    );
    together(session).await;
}

/// Statements in one transaction: all of them or none, prepared once though one comes twice, the oldest closed for room.
async fn together(session: &mut Session) {
    let add =
        |id: i32| Statement { sql: "insert into t values ($1, 'together')".into(), params: vec![Param::Text(id.to_string())] };
    let count = Statement { sql: "update t set name = name where name = 'together'".into(), params: vec![] };
    assert_eq!(session.execute_all(vec![add(20), add(21), count.clone()]).await.unwrap(), [1, 1, 2]);
    let twice = session.execute_all(vec![add(22), add(20), count.clone()]).await.unwrap_err();
    assert_eq!(twice.code, "postgres.23505");
    assert_eq!(session.execute_all(vec![count.clone(), add(22)]).await.unwrap(), [2, 1]);
    assert_eq!(session.execute_all(vec![]).await.unwrap(), [0; 0]);
    // The deferred constraint speaks at the end of the transaction, after every statement has been answered.
    session.query("create table d (id int references t deferrable initially deferred)").await.unwrap();
    let dangling = Statement { sql: "insert into d values (99)".into(), params: vec![] };
    assert_eq!(session.execute_all(vec![add(23), dangling]).await.unwrap_err().code, "postgres.23503");
    assert_eq!(session.execute_all(vec![add(23)]).await.unwrap(), [1]);
    for i in 0..=STATEMENTS_MAX_IN_TEST {
        let sql = format!("delete from t where id = {}", 1_000 + i);
        session.execute_all(vec![Statement { sql, params: vec![] }, count.clone()]).await.unwrap();
    }
    assert_eq!(one(session, "select count(*) <= 256 from pg_prepared_statements").await, "t");
    session.query("drop table d; delete from t where name = 'together'").await.unwrap();
}

/// More than are kept prepared.
const STATEMENTS_MAX_IN_TEST: usize = 300;

async fn roles(server: &Server, session: &mut Session) {
    let roles = "create role app login password 'secret'; create role secure login password 'secret';
        create role plain login password 'secret'; set password_encryption = 'md5'; create role old login password 'secret'";
    session.query(roles).await.unwrap();
    for user in ["app", "old", "plain"] {
        let mut login = server.open(&[("user", user), ("password", "secret")]).await.unwrap();
        assert_eq!(one(&mut login, "select current_user").await, user);
        let refused = server.open(&[("user", user), ("password", "wrong")]).await.err().unwrap();
        assert_eq!((refused.kind, refused.field.as_deref()), (ErrorKind::Config, Some("database.password")));
        assert!(refused.message.contains("\"database.password\""), "{}", refused.message);
    }
    let none = server.open(&[("user", "app")]).await.err().unwrap();
    assert_eq!((none.code.as_str(), none.field.as_deref()), ("postgres.no-password", Some("database.password")));
    let nowhere = server.open(&[("dbname", "nowhere")]).await.err().unwrap();
    assert_eq!((nowhere.kind, nowhere.field.as_deref()), (ErrorKind::Config, Some("database.dbname")));
    let down = server.open(&[("port", "1")]).await.err().unwrap();
    assert_eq!((down.kind, down.code.as_str()), (ErrorKind::Retriable, "postgres.connection"));
    assert!(down.message.contains("refused") && down.message.contains("\"database.port\""), "{}", down.message);

    let secure = [("user", "secure"), ("password", "secret")];
    let cert = server.path("data/server.crt");
    let copy = server.path("root.crt");
    run(Path::new("cp"), &[&cert, &copy]);
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let mut settings = [&secure[..], &[("sslmode", mode)]].concat();
        if mode.starts_with("verify") {
            settings.push(("sslrootcert", &copy));
        }
        let mut login = server.open(&settings).await.unwrap();
        assert_eq!(one(&mut login, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").await, "t", "{mode}");
    }
    let refused = server.open(&[&secure[..], &[("sslmode", "disable")]].concat()).await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Config);
    let address = [&secure[..], &[("sslmode", "verify-full"), ("sslrootcert", &copy), ("hostname", "127.0.0.1")]].concat();
    let refused = server.open(&address).await.err().unwrap();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Config, "postgres.tls"));
}

async fn copies(session: &mut Session) {
    session.query("create table c (id int, note text)").await.unwrap();
    let data: String = (0..100_000).map(|i| format!("{i}\tnote {i}\n")).collect();
    assert_eq!(session.copy_in("copy c from stdin", data.as_bytes()).await.unwrap(), 100_000);
    let wrong = session.copy_in("copy c from stdin", b"x\ty\n").await.unwrap_err();
    assert_eq!(wrong.code, "postgres.22P02");
    assert!(wrong.attributes.iter().any(|(k, v)| k == "where" && v.contains("line 1")), "{:?}", wrong.attributes);
    let not = session.copy_in("select 1", b"").await.unwrap_err();
    assert_eq!(not.code, "postgres.wrong-statement");

    session.copy_out("copy (select * from c order by id) to stdout").await.unwrap();
    assert_eq!(session.query("select 1").await.unwrap_err().code, "postgres.busy");
    let (mut copying, mut rows) = (Copying::default(), Vec::new());
    while let Some(packed) = copying.next(session, 64 << 10).await.unwrap() {
        assert!(packed.len() <= 64 << 10);
        messages(&packed).into_iter().for_each(|row| rows.extend_from_slice(row));
    }
    assert!(rows == data.as_bytes());
    assert!(copying.next(session, 1).await.unwrap().is_none());

    session.copy_out("copy (select 1 / (5 - i) from generate_series(1, 9) i) to stdout").await.unwrap();
    let mut copying = Copying::default();
    assert_eq!(messages(&copying.next(session, 1 << 20).await.unwrap().unwrap()).len(), 4);
    assert_eq!(copying.next(session, 1 << 20).await.unwrap_err().code, "postgres.22012");

    session.copy_out("copy (select generate_series(1, 100000000)) to stdout").await.unwrap();
    let mut copying = Copying::default();
    copying.next(session, 1 << 10).await.unwrap().unwrap();
    copying.abandon(session).await;
    assert_eq!(one(session, "select 1").await, "1");
}

async fn replication(server: &Server, session: &mut Session) {
    session.query("create table r (id int primary key, body text); create publication p for table r").await.unwrap();
    let mut replication = Session::open(Arc::new(server.target(&[]).unwrap()), true).await.unwrap();
    assert_eq!(replication.query("IDENTIFY_SYSTEM").await.unwrap().rows.len(), 1);
    replication.query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput").await.unwrap();
    let wrong = replication.start_replication("START_REPLICATION SLOT nowhere LOGICAL 0/0").await.unwrap_err();
    assert_eq!(wrong.code, "postgres.42704");
    replication
        .start_replication("START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
        .await
        .unwrap();
    let stream = Stream::start(replication.into_wire());
    let wake = Wake::default();

    // Longer than the server waits for a sign of life: its requests are answered although the guest asks for nothing.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // More than may wait: the socket is left alone until the guest takes some.
    session.query("insert into r select i, repeat('x', 200) from generate_series(1, 100000) i").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(stream.waiting_bytes() <= WAITING_MAX_IN_TEST);
    let (mut inserts, mut last, until) = (0, 0, Instant::now() + Duration::from_secs(60));
    while last == 0 {
        assert!(Instant::now() < until, "{inserts} rows came");
        let packed = stream.next(64 << 10, Duration::from_secs(5), &wake).await.unwrap();
        assert!(packed.len() <= 64 << 10);
        for message in messages(&packed) {
            match (message[0], message.get(25)) {
                (b'w', Some(b'I')) => inserts += 1,
                (b'w', Some(b'C')) if inserts > 0 => last = u64::from_be_bytes(message[35..43].try_into().unwrap()),
                _ => {}
            }
        }
    }
    assert_eq!(inserts, 100_000);
    stream.ack(last).unwrap();
    let confirmed = "select confirmed_flush_lsn - '0/0' from pg_replication_slots where slot_name = 's'";
    while one(session, confirmed).await != last.to_string() {
        assert!(Instant::now() < until, "the slot does not move");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    wake.raise();
    while !stream.next(1 << 20, Duration::from_secs(60), &wake).await.unwrap().is_empty() {
        assert!(Instant::now() < until);
    }
    wake.clear();
    let waiting = Instant::now();
    let first = async { stream.next(1 << 20, Duration::from_secs(60), &wake).await.unwrap() };
    let insert = async { session.query("insert into r values (0, 'late')").await.unwrap() };
    assert!(!tokio::join!(first, insert).0.is_empty());
    assert!(waiting.elapsed() < Duration::from_secs(1));

    session.query("select pg_terminate_backend(active_pid) from pg_replication_slots").await.unwrap();
    let ended = loop {
        assert!(Instant::now() < until);
        if let Err(ended) = stream.next(1 << 20, Duration::from_secs(1), &wake).await {
            break ended;
        }
    };
    assert_eq!((ended.code.as_str(), ended.kind), ("postgres.57P01", ErrorKind::Retriable));
    assert!(stream.ack(last + 1).is_err());
    drop(stream);
    while session.query("select pg_drop_replication_slot('s')").await.is_err() {
        assert!(Instant::now() < until, "the slot is still held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The limit, and the one message that may cross it.
const WAITING_MAX_IN_TEST: usize = (8 << 20) + (1 << 10);

/// How fast a stream is drained into nothing, and what it costs: run it with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn drain_rate() {
    const ROWS: usize = 1_000_000;
    let server = Server::start();
    let mut session = server.open(&[("sslmode", "disable")]).await.unwrap();
    session.query("create table r (id int primary key, a text, b text, c int, d int, e float8, f bool, g timestamptz, h text, i text); create publication p for table r").await.unwrap();
    let mut replication = Session::open(Arc::new(server.target(&[("sslmode", "disable")]).unwrap()), true).await.unwrap();
    replication.query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput").await.unwrap();
    let insert = format!(
        "insert into r select i, 'customer ' || i, 'c' || i || '@example.com', i, 7, 1.5, true, now(), repeat('x', 60), 'city' from generate_series(1, {ROWS}) i"
    );
    session.query(&insert).await.unwrap();
    replication
        .start_replication("START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
        .await
        .unwrap();
    let stream = Stream::start(replication.into_wire());
    let (wake, cpu, begun) = (Wake::default(), cpu_ms(), Instant::now());
    let (mut inserts, mut chunks, mut first) = (0, 0, None);
    while inserts < ROWS {
        let packed = stream.next(1 << 20, Duration::from_secs(60), &wake).await.unwrap();
        inserts += messages(&packed).iter().filter(|m| m.get(25) == Some(&b'I')).count();
        chunks += 1;
        if inserts > 0 {
            first.get_or_insert_with(Instant::now);
        }
    }
    let took = first.unwrap_or(begun).elapsed();
    println!(
        "{ROWS} rows in {took:?}: {:.0} rows/s, {chunks} chunks, {} ms of CPU here, first after {:?}",
        ROWS as f64 / took.as_secs_f64(),
        cpu_ms() - cpu,
        first.unwrap_or(begun) - begun
    );

    let (cpu, begun) = (cpu_ms(), Instant::now());
    session.copy_out("copy r to stdout (format binary)").await.unwrap();
    let (mut copying, mut rows, mut chunks) = (Copying::default(), 0, 0);
    while let Some(packed) = copying.next(&mut session, 1 << 20).await.unwrap() {
        rows += messages(&packed).len();
        chunks += 1;
    }
    let took = begun.elapsed();
    println!(
        "{rows} rows copied in {took:?}: {:.0} rows/s, {chunks} chunks, {} ms of CPU here",
        rows as f64 / took.as_secs_f64(),
        cpu_ms() - cpu
    );
}

fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}
