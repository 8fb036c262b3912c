//! Against a real server, where there is one; what is refused needs none.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--requirepass", "s3cret"]);
        let child = command.current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Server { child: child.expect("redis-server is installed: run scripts/setup.sh"), port, _dir: dir };
        let until = Instant::now() + Duration::from_secs(20);
        while server.session(&[("password", "s3cret")]).ready().await.is_err() {
            assert!(Instant::now() < until, "redis-server did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn session(&self, parts: &[(&str, &str)]) -> Session {
        let mut target = Target::for_tests("127.0.0.1", self.port);
        for (part, value) in parts {
            match *part {
                "password" => target.password = Some((*value).to_owned()),
                "user" => target.user = Some((*value).to_owned()),
                _ => target.database = value.parse().unwrap(),
            }
        }
        Session::new(target)
    }
}

fn commands(lines: &[&str]) -> Vec<Vec<Vec<u8>>> {
    lines.iter().map(|l| l.split(' ').map(|w| w.as_bytes().to_vec()).collect()).collect()
}

async fn run(session: &mut Session, lines: &[&str], room: Room) -> Result<Vec<Reply>, Error> {
    let commands = commands(lines);
    session.pipeline(&encoded(&commands, false).unwrap(), commands.len(), room).await
}

fn room() -> Room {
    Room { replies: 100, bytes: 1 << 20 }
}

#[tokio::test]
async fn everything_against_a_real_server() {
    let server = Server::start().await;
    let mut session = server.session(&[("password", "s3cret")]);
    let lines = ["SET a 1", "INCR a", "GET a", "GET none", "LPUSH a x", "RPUSH l x y", "LRANGE l 0 -1", "MULTI", "GET a", "EXEC"];
    let replies = run(&mut session, &lines, room()).await.unwrap();
    assert!(matches!(&replies[0], Reply::Status(s) if s == "OK") && matches!(replies[1], Reply::Integer(2)));
    assert!(matches!(&replies[2], Reply::Bytes(b) if b == b"2") && matches!(replies[3], Reply::Nil));
    assert!(matches!(&replies[4], Reply::Failed(e) if e.code == "redis.wrongtype" && e.kind == ErrorKind::Fatal));
    assert!(matches!(replies[5], Reply::Integer(2)) && matches!(replies[6], Reply::Array(2)));
    assert!(matches!(replies[11], Reply::Array(1)) && matches!(&replies[12], Reply::Bytes(b) if b == b"2"), "{replies:?}");

    // What is too large for the plugin ends the connection, and the next call has its own answers.
    run(&mut session, &[&format!("SET big {}", "x".repeat(5_000))], room()).await.unwrap();
    let large = run(&mut session, &["GET big", "GET a"], Room { replies: 10, bytes: 4_000 }).await.unwrap_err();
    assert_eq!((large.kind, large.code.as_str()), (ErrorKind::Fatal, "redis.too-large"));
    assert!(matches!(&run(&mut session, &["GET a"], room()).await.unwrap()[..], [Reply::Bytes(b)] if b == b"2"));

    // More than all buffers between hold, both ways at a time.
    let echo = format!("ECHO {}", "y".repeat(1 << 20));
    let echoes = run(&mut session, &[echo.as_str(); 8], Room { replies: 100, bytes: 9 << 20 }).await.unwrap();
    assert!(echoes.len() == 8 && echoes.iter().all(|r| matches!(r, Reply::Bytes(b) if b.len() == 1 << 20)));

    // Another database is another one, and a lost connection is made again.
    let mut other = server.session(&[("password", "s3cret"), ("database", "3")]);
    assert!(matches!(run(&mut other, &["GET a"], room()).await.unwrap()[..], [Reply::Nil]));
    let _ = run(&mut session, &["CONFIG SET timeout 0"], room()).await;
    let id = run(&mut other, &["CLIENT ID"], room()).await.unwrap();
    let [Reply::Integer(id)] = id[..] else { panic!("{id:?}") };
    let kill: Vec<Vec<u8>> = ["CLIENT", "KILL", "ID", &id.to_string()].iter().map(|w| w.as_bytes().to_vec()).collect();
    let mut out = Vec::new();
    resp::write(&kill, &mut out);
    session.pipeline(&out, 1, room()).await.unwrap();
    let lost = run(&mut other, &["GET a"], room()).await.unwrap_err();
    assert_eq!((lost.kind, lost.code.as_str()), (ErrorKind::Retriable, "redis.connection"));
    assert!(matches!(run(&mut other, &["GET a"], room()).await.unwrap()[..], [Reply::Nil]));

    // Who is not let in hears which settings to look at.
    for wrong in [
        &[][..],
        &[("password", "wrong")],
        &[("password", "s3cret"), ("user", "nobody")],
        &[("password", "s3cret"), ("database", "99")],
    ] {
        let refused = server.session(wrong).ready().await.unwrap_err();
        assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Config, "redis.refused"), "{wrong:?}: {}", refused.message);
        assert!(!refused.message.contains("s3cret") && refused.message.contains("redis.password"), "{}", refused.message);
    }
    drop(server);
    let gone = run(&mut session, &["GET a"], room()).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::Retriable);
}

#[test]
fn commands_are_bounded() {
    let check = |commands: &[Vec<Vec<u8>>], dry_run: bool, code: &str, says: &str| {
        let error = encoded(commands, dry_run).unwrap_err();
        assert!(error.code == code && error.message.contains(says), "{}: {}", error.code, error.message);
    };
    check(&vec![vec![b"PING".to_vec()]; COMMANDS_MAX + 1], false, "redis.too-large", "10001 commands");
    check(&[vec![b"ECHO".to_vec(), vec![0; COMMAND_BYTES_MAX]]], false, "redis.too-large", "bytes together");
    check(&[vec![]], false, "redis.invalid-command", "number 0 has no name");
    for line in ["select 1", "AUTH x", "subscribe a", "CLIENT REPLY OFF", "client", "MONITOR"] {
        check(&commands(&["PING", line]), false, "redis.invalid-command", "number 1");
    }
    encoded(&commands(&["CLIENT ID"]), false).unwrap();
    check(&commands(&["GET a", "SET a 1"]), true, "redis.dry-run", "\"SET\"");
    encoded(&commands(&["get a", "HGETALL h"]), true).unwrap();
}
