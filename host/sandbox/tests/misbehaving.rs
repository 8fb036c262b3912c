//! Plugins that misbehave, each in one way: the host names them and what they did, and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{
    Batch, ErrorKind, Plugin, RawConfig, Schemas, Services, TaskContext, TaskError, TopicOffset, TopicPartition, Wake, row,
};
use millrace_sandbox::{Hosts, Sandbox, SandboxConfig, componentize};

mod first;
#[path = "../../../tests/guests/guests.rs"]
mod guests;

struct Host {
    sandbox: Sandbox,
    schemas: Arc<Schemas>,
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(SandboxConfig::new(dir.path().join("cache"))).unwrap();
        Host { sandbox, schemas: Schemas::new(), dir }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn plugin(&self, kind: &str, name: &str) -> Arc<dyn Plugin> {
        let file = self.file(&format!("{kind}-{name}.wasm"), &guests::component(kind, name));
        self.sandbox.load(&file, &self.schemas).await.unwrap()
    }

    /// Why a file is refused.
    async fn refused(&self, name: &str, bytes: &[u8]) -> String {
        let file = self.file(name, bytes);
        let (plugins, refused) = self.sandbox.scan(std::slice::from_ref(&file), &self.schemas).await;
        assert!(plugins.is_empty());
        assert_eq!((refused.len(), &refused[0].file), (1, &file));
        refused[0].reason.clone()
    }

    fn ctx(&self, config: &[(&str, &str)]) -> TaskContext {
        TaskContext {
            connector: "orders".into(),
            task: 0,
            config: config.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            alias: None,
            schemas: self.schemas.clone(),
            wake: Wake::default(),
            grants: Vec::new(),
            services: Default::default(),
        }
    }

    fn batch(&self) -> Batch {
        let mut out = row::BatchWriter::new();
        let topic = out.topic("t");
        for i in 0..3 {
            out.begin(row::RecordMeta {
                topic,
                partition: Some(0),
                offset: Some(i),
                timestamp: None,
                key_schema: None,
                value_schema: None,
            });
            out.end();
        }
        Batch::trusted(out)
    }

    /// How a transform that misbehaves in `apply` ends.
    async fn applied(&self, name: &str) -> TaskError {
        self.applied_within(name, "200").await
    }

    async fn applied_within(&self, name: &str, deadline_ms: &str) -> TaskError {
        let ctx = self.ctx(&[
            ("plugin.call.deadline.ms", deadline_ms),
            ("plugin.call.timeout.ms", "3000"),
            ("plugin.memory.limit.bytes", "8388608"),
        ]);
        let mut transform = self.plugin("transform", name).await.transform(ctx).await.unwrap();
        transform.configure().await.unwrap();
        let broken = transform.apply(&self.batch()).await.unwrap_err();
        let again = transform.apply(&self.batch()).await.unwrap_err();
        assert_eq!(again.message, broken.message, "a broken instance takes no more calls");
        transform.configure().await.expect("a fresh instance");
        transform.close().await;
        assert_eq!(broken.kind, ErrorKind::Trap);
        assert!(broken.message.starts_with("plugin \"misbehaving\" broke in \"apply\": "), "{}", broken.message);
        broken
    }

    /// The transform breaks when it is applied, with this code and these words.
    async fn told(&self, name: &str, code: &str, words: &str) {
        let broken = self.applied(name).await;
        assert_eq!(broken.code, code, "{name}: {}", broken.message);
        assert!(broken.message.contains(words), "{name}: {}", broken.message);
    }
}

#[tokio::test]
async fn traps_are_named() {
    let host = Host::new();
    let check = async |name, code, words| host.told(name, code, words).await;
    check("trap", "plugin.panic", "without a message").await;
    check("panic", "plugin.panic", "it panicked: the dog ate it").await;
    check("allocate", "plugin.out-of-memory", "the limit is 8388608").await;
    check("recurse", "plugin.trap", "call stack is exhausted").await;
    check("keep", "plugin.trap", "borrow").await;
    check("garbage", "plugin.contract", "not a batch of row format 1").await;
    check("origin", "plugin.contract", "1 origins for 0 records").await;
    check("failure", "plugin.contract", "a failure of row 2147483647 in a batch of 3").await;
    // What the host would have to keep for it.
    check("labels", "plugin.host-memory", "in one call").await;
    // Floods last for as long as a call may.
    check("lines", "plugin.deadline", "200 ms").await;
    check("alerts", "plugin.deadline", "200 ms").await;
    check("print", "plugin.deadline", "200 ms").await;
    check("figures", "plugin.deadline", "200 ms").await;
    check("fill", "plugin.deadline", "200 ms").await;
    check("handles", "plugin.handles", "it holds 1000 handles").await;
    check("deep", "plugin.contract", "names: at most 64 are taken").await;
    let broken = host.applied_within("schemas", "30000").await;
    assert!(
        broken.message.contains("it panicked: plugin \"misbehaving\": it has made distinct schemas of 64 MiB"),
        "{}",
        broken.message
    );
}

/// Time that passes while a guest waits in WASI is its own; what it waits for in the contract's clock ends with the call.
#[tokio::test]
async fn waiting_has_an_end() {
    let host = Host::new();
    let check = async |name: &str, code: &str, words: &str, within: Duration| {
        let begun = Instant::now();
        host.told(name, code, words).await;
        assert!(begun.elapsed() >= within, "{name}: {:?}", begun.elapsed());
    };
    check("sleep", "plugin.deadline", "200 ms", Duration::from_millis(200)).await;
    check("poll", "plugin.deadline", "200 ms", Duration::from_millis(200)).await;
    check("nap", "plugin.timeout", "raise \"plugin.call.timeout.ms\"", Duration::from_millis(3_000)).await;
}

/// WASI has nothing in it but a clock and numbers.
#[tokio::test]
async fn wasi_has_nothing_to_take() {
    let host = Host::new();
    let check = async |name, code, words| host.told(name, code, words).await;
    check("bytes", "plugin.trap", "exceeds limit 65536").await;
    check("sockets", "plugin.panic", "a socket is refused with code 1").await;
    check("names", "plugin.panic", "is refused with code").await;
    check("directories", "plugin.panic", "there is no directory").await;
    check("exit", "plugin.exit", "it ended itself with the status 1").await;
    check("steal", "plugin.panic", "nothing of others is here").await;
}

/// A name that is a listed address when it is first asked for, and the worker's own from then on.
#[tokio::test]
async fn a_name_that_turns_to_loopback_is_not_followed() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    struct Rebinding(AtomicUsize);
    #[async_trait::async_trait]
    impl millrace_sandbox::Resolver for Rebinding {
        async fn resolve(&self, host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            assert_eq!(host, "rebound.example.com");
            let address = if self.0.fetch_add(1, Ordering::SeqCst) == 0 { [127, 0, 0, 2] } else { [127, 0, 0, 1] };
            Ok(vec![address.into()])
        }
    }
    let listed = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listed.local_addr().unwrap().port();
    let own = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listed.accept().await.unwrap();
        assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    let resolver = Arc::new(Rebinding(AtomicUsize::new(0)));
    let config = SandboxConfig { resolver: resolver.clone(), ..SandboxConfig::new(dir.path().join("cache")) };
    let host = Host { sandbox: Sandbox::new(config).unwrap(), schemas: Schemas::new(), dir };
    let plugin = host.plugin("transform", "http").await;
    let url = format!("http://rebound.example.com:{port}/");
    let ctx = TaskContext {
        alias: Some("ask".into()),
        grants: vec!["http".into()],
        ..host.ctx(&[("url", &url), ("http.hosts", "rebound.example.com,127.0.0.2")])
    };
    let mut transform = plugin.transform(ctx).await.unwrap();
    transform.configure().await.unwrap();
    transform.apply(&host.batch()).await.unwrap();
    for _ in 0..3 {
        let broken = transform.apply(&host.batch()).await.unwrap_err();
        assert!(broken.message.contains("http.forbidden-host"), "{}", broken.message);
        transform.configure().await.unwrap();
    }
    assert_eq!(resolver.0.load(Ordering::SeqCst), 4, "asked for each connection");
    let reached = tokio::time::timeout(Duration::from_millis(50), own.accept()).await;
    assert!(reached.is_err(), "what listens on loopback was reached");
}

/// Each call of each kind of plugin.
#[tokio::test]
async fn a_trap_in_each_call_is_named() {
    let host = Host::new();
    let trap = |function: &str| {
        let parameters = match function {
            "validate" | "open" | "close" | "flush" | "commit" | "poll" => "(param i32 i32) (result i32)",
            "task_configs" => "(param i32 i32 i32) (result i32)",
            "put" | "apply" => "(param i32) (result i32)",
            "configure" | "start" => "(param i32 i32 i32 i32 i64 i32 i32 i32) (result i32)",
            _ => "",
        };
        format!("(func ${function} {parameters} unreachable)")
    };
    let plugin = async |kind: &str, guest: &str| {
        let name = format!("{kind}-{}.wasm", guest.len());
        let file = host.file(&name, &guests::of_text(kind, "misbehaving", guest));
        host.sandbox.load(&file, &host.schemas).await.unwrap()
    };
    let named = |error: TaskError, call: &str| {
        let begins = format!("plugin \"misbehaving\" broke in \"{call}\": it panicked");
        assert!(error.kind == ErrorKind::Trap && error.message.starts_with(&begins), "{}", error.message);
    };
    for kind in ["transform", "source", "sink"] {
        let guest = plugin(kind, &trap("validate")).await;
        named(guest.validate(&RawConfig::new()).await.unwrap_err(), "validate");
    }
    let source = plugin("source", &trap("task_configs")).await;
    named(source.task_configs(&RawConfig::new(), 1).await.unwrap_err(), "task-configs");
    let begins = trap("start").replace("i32 i32 i32) (result", "i32 i32 i32 i32 i32) (result");
    let mut source = plugin("source", &begins).await.source(host.ctx(&[])).await.unwrap();
    named(source.start(&[]).await.unwrap_err(), "start");
    for function in ["poll", "commit"] {
        let mut source = plugin("source", &trap(function)).await.source(host.ctx(&[])).await.unwrap();
        source.start(&[]).await.unwrap();
        named(
            if function == "poll" { source.poll(1, 1).await.unwrap_err() } else { source.commit(&[]).await.unwrap_err() },
            function,
        );
        source.stop().await;
    }
    let partition = [TopicPartition { topic: "t".into(), partition: 0 }];
    for function in ["start", "open", "put", "flush", "close"] {
        let mut sink = plugin("sink", &trap(function)).await.sink(host.ctx(&[])).await.unwrap();
        let broken = async {
            sink.start().await?;
            sink.open(&partition).await?;
            sink.put(&host.batch()).await?;
            sink.flush(&[]).await?;
            sink.close(&partition).await
        };
        named(broken.await.unwrap_err(), function);
        sink.stop().await;
    }
    for function in ["configure", "apply"] {
        let mut transform = plugin("transform", &trap(function)).await.transform(host.ctx(&[])).await.unwrap();
        let broken = async {
            transform.configure().await?;
            transform.apply(&host.batch()).await.map(drop)
        };
        named(broken.await.unwrap_err(), function);
    }
    // What breaks when it is let go does not fail who lets it go.
    let mut transform = plugin("transform", "(func $close unreachable)").await.transform(host.ctx(&[])).await.unwrap();
    transform.configure().await.unwrap();
    transform.close().await;
    let mut sink = plugin("sink", &trap("stop")).await.sink(host.ctx(&[])).await.unwrap();
    sink.start().await.unwrap();
    sink.stop().await;
}

/// A guest that takes its time before it is asked anything, and one that does when it is configured.
#[tokio::test]
async fn slow_starts_are_named() {
    let host = Host::new();
    let spins = "(loop $again (br $again))";
    let file =
        host.file("born.wasm", &guests::of_text("transform", "misbehaving", &format!("(func $init {spins}) (start $init)")));
    let refused = host.sandbox.load(&file, &host.schemas).await.err().unwrap().to_string();
    assert!(refused.contains("broke in \"instantiate\": it computed for longer than the 5000 ms"), "{refused}");
    let configure = "(func $configure (param i32 i32 i32 i32 i64 i32 i32 i32) (result i32)";
    let file = host.file("slow.wasm", &guests::of_text("transform", "misbehaving", &format!("{configure} {spins} unreachable)")));
    let plugin = host.sandbox.load(&file, &host.schemas).await.unwrap();
    let mut transform = plugin.transform(host.ctx(&[("plugin.call.deadline.ms", "150")])).await.unwrap();
    let broken = transform.configure().await.unwrap_err();
    assert_eq!(broken.code, "plugin.deadline");
    assert!(broken.message.contains("broke in \"configure\"") && broken.message.contains("150 ms"), "{}", broken.message);
}

/// On a single thread: the guest that never ends lets others run, until its time is up.
#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_spins_starves_nobody() {
    let host = Host::new();
    let spinning = async {
        let begun = Instant::now();
        let broken = host.applied("spin").await;
        assert_eq!(broken.code, "plugin.deadline");
        assert!(broken.message.contains("200 ms") && broken.message.contains("plugin.call.deadline.ms"), "{}", broken.message);
        begun.elapsed()
    };
    let others = async {
        let mut beats = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            beats += 1;
            if beats == 4 {
                return Instant::now();
            }
        }
    };
    let begun = Instant::now();
    let (spun, others) = tokio::join!(spinning, others);
    assert!(others - begun < spun, "nobody else ran while the guest did");
    assert!(spun >= Duration::from_millis(200) && spun < Duration::from_secs(20), "{spun:?}");
}

#[tokio::test]
async fn sources_that_lie() {
    let host = Host::new();
    for (name, words) in [
        ("marks", "a mark through 5 after one through 0, of 0 records"),
        ("partition", "a mark of partition 3 where there are 1"),
        ("offset", "a source offset that is not JSON"),
    ] {
        let mut source = host.plugin("source", name).await.source(host.ctx(&[])).await.unwrap();
        source.start(&[]).await.unwrap();
        let lied = source.poll(10, 1 << 20).await.unwrap_err();
        assert_eq!((lied.kind, lied.code.as_str()), (ErrorKind::Trap, "plugin.contract"));
        assert!(lied.message.contains(words), "{}", lied.message);
        source.stop().await;
    }
    let mut source = host.plugin("source", "").await.source(host.ctx(&[])).await.unwrap();
    source.start(&[]).await.unwrap();
    assert!(source.poll(10, 1 << 20).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn sinks_that_lie() {
    let host = Host::new();
    let partition = TopicPartition { topic: "t".into(), partition: 0 };
    let upto = [TopicOffset { topic: "t".into(), partition: 0, offset: 3 }];
    let mut ahead = host.plugin("sink", "ahead").await.sink(host.ctx(&[])).await.unwrap();
    ahead.start().await.unwrap();
    assert!(ahead.open(std::slice::from_ref(&partition)).await.unwrap().is_empty());
    assert!(ahead.put(&host.batch()).await.unwrap().is_empty());
    let lied = ahead.flush(&upto).await.unwrap_err();
    assert!(lied.message.contains("offset 1000 of t-0, past what was put"), "{}", lied.message);

    let mut twice = host.plugin("sink", "put").await.sink(host.ctx(&[])).await.unwrap();
    twice.start().await.unwrap();
    let lied = twice.put(&host.batch()).await.unwrap_err();
    assert!(lied.message.contains("two failures of row 0"), "{}", lied.message);
    twice.stop().await;
}

#[tokio::test]
async fn a_call_given_up_halfway_leaves_no_instance() {
    let host = Host::new();
    let mut transform = host.plugin("transform", "spin").await.transform(host.ctx(&[])).await.unwrap();
    transform.configure().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(30), transform.apply(&host.batch())).await.is_err());
    let left = transform.apply(&host.batch()).await.unwrap_err();
    assert_eq!((left.kind, left.code.as_str()), (ErrorKind::Restart, "plugin.abandoned"));
    transform.configure().await.expect("a fresh instance");
}

#[tokio::test]
async fn files_that_are_no_plugins() {
    let host = Host::new();
    let check = async |name: &str, bytes: &[u8], words: &str| {
        let reason = host.refused(name, bytes).await;
        assert!(reason.contains(words), "{name}: {reason}");
    };
    check("text.wasm", b"hello", "it is not WebAssembly").await;
    check("empty.wasm", b"", "it is not WebAssembly").await;
    let module = wat::parse_str("(module)").unwrap();
    check("module.wasm", &module, "core module, not a component").await;
    let good = guests::component("transform", "");
    check("torn.wasm", &good[..good.len() / 2], "it cannot be compiled").await;
    check("bare.wasm", &wat::parse_str("(component)").unwrap(), "it is not a plugin: it exports nothing").await;
    check("describe.wasm", &guests::component("transform", "describe"), "broke in \"describe\"").await;
    check("unknown.wasm", &guests::component("transform", "unknown"), "it imports wasi:made-up/thing@0.2.0").await;
    let newer = guests::of_version("transform", "", "@0.2.0");
    check("newer.wasm", &newer, "of another version of the contract: it has millrace:plugin/").await;
    assert!(componentize::component(b"hello").is_err());
    assert!(componentize::component(&good).is_err());

    let (plugins, refused) = host.sandbox.scan(&[Path::new("/nowhere/at/all").into()], &host.schemas).await;
    assert!(plugins.is_empty() && refused[0].reason.contains("plugin.path"), "{refused:?}");
    let pair = [host.file("a.wasm", &good), host.file("b.wasm", &good)];
    let (plugins, refused) = host.sandbox.scan(&pair, &host.schemas).await;
    assert_eq!((plugins.len(), &refused[0].file), (1, &pair[1]));
    assert!(refused[0].reason.contains("its name \"misbehaving\" and version \"1\" are taken by"), "{refused:?}");
}

#[tokio::test]
async fn imports_need_grants() {
    let host = Host::new();
    let plugin = host.plugin("transform", "files").await;
    let refused = plugin.check_grants(&[]).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Config, "plugin.not-granted"));
    for words in
        ["millrace:plugin/files@0.1.0", "plugin.grants=files", "transforms.<alias>.grants=files", "transform-files.grants"]
    {
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    assert_eq!(plugin.transform(host.ctx(&[])).await.err().unwrap().code, "plugin.not-granted");
    let granted = TaskContext { grants: vec!["files".into()], ..host.ctx(&[]) };
    plugin.transform(granted).await.unwrap().configure().await.unwrap();

    host.file("transform-files.grants", b"# what it may do\nfiles # reads\n");
    host.plugin("transform", "files").await.check_grants(&[]).unwrap();
}

#[tokio::test]
async fn limits_are_checked() {
    let host = Host::new();
    let plugin = host.plugin("transform", "").await;
    let check = async |key: &str, value: &str| {
        let wrong = plugin.transform(host.ctx(&[(key, value)])).await.err().unwrap();
        assert_eq!((wrong.kind, wrong.field.as_deref()), (ErrorKind::Config, Some(key)));
        assert!(wrong.message.contains(value), "{}", wrong.message);
    };
    check("plugin.memory.limit.bytes", "lots").await;
    check("plugin.memory.limit.bytes", "5").await;
    check("plugin.call.deadline.ms", "-1").await;
    check("plugin.call.timeout.ms", "9").await;
    assert!(plugin.validate(&RawConfig::new()).await.unwrap().is_empty());
    assert_eq!(plugin.source(host.ctx(&[])).await.err().unwrap().kind, ErrorKind::Config);
}

#[tokio::test]
async fn compiled_code_is_kept_and_mistrusted() {
    let host = Host::new();
    host.plugin("transform", "").await;
    let compiled = || {
        let entries = std::fs::read_dir(host.dir.path().join("cache")).unwrap().flatten();
        let mut found: Vec<_> = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "cwasm")).collect();
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let code = std::fs::read(compiled()).unwrap();
    let begun = Instant::now();
    host.plugin("transform", "").await;
    eprintln!("loaded from the cache in {:?}", begun.elapsed());
    for damage in [&code[..code.len() / 2], b"", &[&code[..code.len() - 1], &[!code[code.len() - 1]]].concat()] {
        std::fs::write(compiled(), damage).unwrap();
        let mut transform = host.plugin("transform", "").await.transform(host.ctx(&[])).await.unwrap();
        transform.configure().await.unwrap();
        assert_eq!(transform.apply(&host.batch()).await.unwrap().records.len(), 3);
        assert!(std::fs::read(compiled()).unwrap() == code, "the entry is written anew");
    }
}

#[tokio::test]
async fn rows_cross_and_come_back() {
    let host = Host::new();
    let mut echo = host.plugin("transform", "echo").await.transform(host.ctx(&[])).await.unwrap();
    echo.configure().await.unwrap();
    let batch = host.batch();
    let outcome = echo.apply(&batch).await.unwrap();
    assert_eq!(outcome.records.bytes(), batch.bytes());
    assert_eq!(outcome.origin, Some(vec![0, 1, 2]));
}

#[tokio::test]
async fn random_numbers_are_bounded() {
    let host = Host::new();
    let mut transform = host.plugin("transform", "random").await.transform(host.ctx(&[])).await.unwrap();
    transform.configure().await.unwrap();
    transform.apply(&host.batch()).await.unwrap();
}

/// Asked by a guest, which waits for longer than it may compute.
#[tokio::test]
async fn http_asks_listed_hosts_and_waits_for_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = server.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut socket, _) = server.accept().await.unwrap();
        assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(500)).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
    });
    let host = Host::new();
    let plugin = host.plugin("transform", "http").await;
    assert!(plugin.check_grants(&[]).unwrap_err().message.contains("plugin.grants=http"));
    let url = format!("http://{place}/");
    let ctx = |hosts: &str| TaskContext {
        alias: Some("ask".into()),
        grants: vec!["http".into()],
        ..host.ctx(&[("url", &url), ("http.hosts", hosts), ("plugin.call.deadline.ms", "100")])
    };
    let mut listed = plugin.transform(ctx(&place)).await.unwrap();
    listed.configure().await.unwrap();
    listed.apply(&host.batch()).await.unwrap();
    let mut other = plugin.transform(ctx("api.example.com")).await.unwrap();
    other.configure().await.unwrap();
    assert!(other.apply(&host.batch()).await.unwrap_err().message.contains("http.forbidden-host"));

    let wrong = plugin.transform(ctx("a b")).await.err().unwrap();
    assert_eq!((wrong.kind, wrong.field.as_deref()), (ErrorKind::Config, Some("transforms.ask.http.hosts")));
    let issues = plugin.validate(&RawConfig::from([("http.hosts".to_owned(), "a b".to_owned())])).await.unwrap();
    assert_eq!(issues[0].name, "http.hosts");
}

#[tokio::test]
async fn the_worker_caps_what_is_granted() {
    let dir = tempfile::tempdir().unwrap();
    let capped = SandboxConfig {
        grants_allowed: Some(vec!["http".into()]),
        http_hosts_allowed: Some(Hosts::parse("*.example.com").unwrap()),
        ..SandboxConfig::new(dir.path().join("cache"))
    };
    let host = Host { sandbox: Sandbox::new(capped).unwrap(), schemas: Schemas::new(), dir };
    let grants = ["files".to_owned(), "http".to_owned()];
    let refused = host.plugin("transform", "files").await.check_grants(&grants).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Config, "plugin.not-allowed"));
    assert!(refused.message.contains("add \"files\" to the worker's \"plugin.grants.allowed\""), "{}", refused.message);
    let http = host.plugin("transform", "http").await;
    http.check_grants(&grants).unwrap();
    let check = async |hosts: &str, issues: usize| {
        let config = RawConfig::from([("http.hosts".to_owned(), hosts.to_owned())]);
        assert_eq!(http.validate(&config).await.unwrap().len(), issues, "{hosts}");
    };
    check("api.example.com", 0).await;
    check("api.example.org", 1).await;
}

#[tokio::test]
async fn tasks_of_a_connector_share_a_cache() {
    let host = Host::new();
    let plugin = host.plugin("transform", "cache").await;
    let task = async |connector: &str, task: u32| {
        let ctx = TaskContext { connector: connector.into(), task, alias: Some("once".into()), ..host.ctx(&[]) };
        let mut transform = plugin.transform(ctx).await.unwrap();
        transform.configure().await.unwrap();
        let applied = transform.apply(&host.batch()).await.is_ok();
        (transform, applied)
    };
    let (_first, added) = task("orders", 0).await;
    assert!(added);
    assert!(!task("orders", 1).await.1, "the cache is shared");
    assert!(task("payments", 0).await.1, "connectors have their own");
}

#[tokio::test]
async fn a_state_is_kept_where_the_call_went_well() {
    let host = Host::new();
    let plugin = host.plugin("transform", "state").await;
    let services = Services::default();
    let task = async || {
        let ctx = TaskContext { services: services.clone(), alias: Some("once".into()), ..host.ctx(&[]) };
        let mut transform = plugin.transform(ctx).await.unwrap();
        transform.configure().await.unwrap();
        transform.apply(&host.batch()).await
    };
    task().await.unwrap();
    services.state.undo();
    task().await.unwrap();
    let changed = services.state.take();
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), [("\0\0\0".into(), Some(vec![0; 5].into()))]);
    assert_eq!(task().await.unwrap_err().kind, ErrorKind::Trap, "what was kept is there");
}

#[tokio::test]
async fn a_state_is_bounded() {
    let host = Host::new();
    let plugin = host.plugin("transform", "state-flood").await;
    let check = async |alias: Option<&str>, config: &[(&str, &str)], says: &[&str]| {
        let ctx = TaskContext { alias: alias.map(str::to_owned), ..host.ctx(config) };
        let mut transform = plugin.transform(ctx).await.unwrap();
        transform.configure().await.unwrap();
        let error = transform.apply(&host.batch()).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "state.full"));
        assert_eq!(error.field.as_deref(), Some(says[0]));
        assert!(says.iter().all(|s| error.message.contains(s)), "{}", error.message);
    };
    check(None, &[("plugin.state.max.entries", "7")], &["plugin.state.max.entries", "7 entries"]).await;
    check(Some("t"), &[("state.max.entries", "9")], &["transforms.t.state.max.entries", "9 entries"]).await;
    check(Some("t"), &[("state.max.bytes", "2000")], &["transforms.t.state.max.bytes", "the 2000"]).await;
    let wrong = host.ctx(&[("plugin.state.max.bytes", "much")]);
    let error = plugin.transform(wrong).await.err().expect("it is refused");
    assert_eq!(error.field.as_deref(), Some("plugin.state.max.bytes"));
}
