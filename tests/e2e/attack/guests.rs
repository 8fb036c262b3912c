//! The guests that are let loose: what each is made of, how it is configured, and what is to come of it.

use serde_json::{Value, json};

#[path = "../../guests/guests.rs"]
mod texts;

/// What becomes of who attacks.
pub enum End {
    /// Its task fails; the trace has these words.
    Failed(&'static str),
    /// Nobody may use it: the answer to its configuration has these words.
    Refused(&'static str),
    /// It is no plugin; the worker's log has these words.
    NotLoaded(&'static str),
    /// It runs until it is deleted; then the log has these words.
    Parting(&'static str),
}

pub struct Attack {
    pub what: &'static str,
    pub kind: &'static str,
    guest: String,
    pub settings: Value,
    pub end: End,
}

impl Attack {
    /// Names have as many letters as that of the plugin that behaves.
    pub fn plugin(number: usize) -> String {
        format!("attacker-{number:02}")
    }
    pub fn component(&self, number: usize) -> Vec<u8> {
        texts::of_text(self.kind, &Self::plugin(number), &self.guest)
    }
    fn with(mut self, settings: Value) -> Attack {
        self.settings = settings;
        self
    }
}

/// A guest of `tests/guests`.
fn guest(what: &'static str, kind: &'static str, name: &str, words: &'static str) -> Attack {
    Attack { what, kind, guest: texts::source(name), settings: json!({}), end: End::Failed(words) }
}

fn transform(what: &'static str, name: &str, words: &'static str) -> Attack {
    guest(what, "transform", name, words)
}

/// A guest that breaks in one of its functions.
fn trap(kind: &'static str, what: &'static str, function: &str, end: End) -> Attack {
    let parameters = match function {
        "describe" => "(result i32)",
        "validate" | "open" | "flush" | "commit" | "poll" => "(param i32 i32) (result i32)",
        "task_configs" => "(param i32 i32 i32) (result i32)",
        "put" | "apply" => "(param i32) (result i32)",
        "start" if kind == "source" => "(param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32) (result i32)",
        "configure" | "start" => "(param i32 i32 i32 i32 i64 i32 i32 i32) (result i32)",
        _ => "",
    };
    Attack { what, kind, guest: format!("(func ${function} {parameters} unreachable)"), settings: json!({}), end }
}

/// A mark in every poll, so that there is something to commit.
const MARKS: &str = r#"
(data (i32.const 4116) "\88\13\00\00\01\00\00\00" "\d8\13\00\00\01\00\00\00" "\01\00\00\00\64\00\00\00")
(data (i32.const 5000) "\ac\13\00\00\02\00\00\00")
(data (i32.const 5036) "{}")
(data (i32.const 5080) "\00\00\00\00\00\00\00\00" "\ac\13\00\00\02\00\00\00" "\01")
(func $poll (param i32 i32) (result i32) (i32.const 4096))
"#;

/// All of them. `redirector` answers every request with a redirect to `worker`; `host` is a name of this machine.
pub fn all(redirector: &str, worker: &str, host: &str) -> Vec<Attack> {
    let http = |url: &str, hosts: &str| json!({ "grants": "http", "url": url, "http.hosts": hosts });
    let limit = |ms: &str| json!({ "plugin.call.deadline.ms": ms });
    let mut all = vec![
        transform("endless loop", "spin", "it computed for longer than the 1000 ms that one call may take").with(limit("1000")),
        transform("recursion", "recurse", "its call stack is exhausted"),
        transform("memory growth", "allocate", "the limit is 8388608; raise \"plugin.memory.limit.bytes\"")
            .with(json!({ "plugin.memory.limit.bytes": "8388608" })),
        transform("lists in the host", "labels", "it handed the host more than 128 MiB in one call"),
        transform("schemas in the host", "schemas", "distinct schemas of 64 MiB"),
        transform("handles kept", "handles", "it holds 1000 handles, the most that an instance may"),
        transform("a batch kept", "keep", "borrow"),
        transform("log flood", "lines", "1000 ms").with(limit("1000")),
        transform("flood of prints", "print", "1000 ms").with(limit("1000")),
        transform("flood of alerts", "alerts", "1000 ms").with(limit("1000")),
        transform("flood of metrics", "figures", "1000 ms").with(limit("1000")),
        transform("flood of the cache", "fill", "1000 ms").with(limit("1000")),
        transform("WASI sleep for ever", "sleep", "1000 ms").with(limit("1000")),
        transform("WASI poll of a year", "poll", "1000 ms").with(limit("1000")),
        transform("sleep over and over", "nap", "the 1000 ms that one call may, waiting included")
            .with(json!({ "plugin.call.timeout.ms": "1000" })),
        transform("a terabyte of random", "bytes", "exceeds limit 65536"),
        transform("WASI socket", "sockets", "a socket is refused with code 1"),
        transform("WASI name look-up", "names", "a name is refused with code"),
        transform("WASI directories", "directories", "there is no directory"),
        transform("WASI exit", "exit", "it ended itself with the status 1"),
        Attack { end: End::Refused("which it was not granted"), ..transform("files, not granted", "files", "") },
        transform("host, not listed", "http", "http.forbidden-host").with(http(worker, "api.example.com")),
        transform("redirect to the worker", "http", "http.forbidden-host")
            .with(http(redirector, redirector.trim_start_matches("http://").trim_end_matches('/'))),
        transform("name of an own address", "http", "http.").with(http(&format!("http://{host}:80/"), host)),
        transform("another's cache, secrets", "steal", "nothing of others is here"),
        transform("rows that are none", "garbage", "not a batch of row format 1"),
        transform("origins without records", "origin", "1 origins for 0 records"),
        transform("failure of no record", "failure", "a failure of row 2147483647"),
        transform("path of a million names", "deep", "at most 64 are taken"),
        guest("mark past the records", "source", "marks", "a mark through 5 after one through 0, of 0 records"),
        guest("mark of no partition", "source", "partition", "a mark of partition 3 where there are 1"),
        guest("offset that is none", "source", "offset", "a source offset that is not JSON"),
        guest("a row that fails twice", "sink", "put", "two failures of row 0"),
        guest("offset not yet put", "sink", "ahead", "offset 1000 of t-0, past what was put"),
    ];
    let failed = |call: &'static str| End::Failed(call);
    all.extend([
        trap("transform", "trap in describe", "describe", End::NotLoaded("broke in \"describe\"")),
        trap("transform", "trap in validate", "validate", End::Refused("broke in \"validate\"")),
        trap("transform", "trap in configure", "configure", failed("broke in \"configure\"")),
        trap("transform", "trap in apply", "apply", failed("broke in \"apply\"")),
        trap("transform", "trap in close", "close", End::Parting("broke in \"close\"")),
        trap("source", "trap in task-configs", "task_configs", failed("broke in \"task-configs\"")),
        trap("source", "trap in a source's start", "start", failed("broke in \"start\"")),
        trap("source", "trap in poll", "poll", failed("broke in \"poll\"")),
        trap("source", "trap in commit", "commit", failed("broke in \"commit\"")),
        trap("source", "trap in a source's stop", "stop", End::Parting("broke in \"stop\"")),
        trap("sink", "trap in a sink's start", "start", failed("broke in \"start\"")),
        trap("sink", "trap in open", "open", failed("broke in \"open\"")),
        trap("sink", "trap in put", "put", failed("broke in \"put\"")),
        trap("sink", "trap in flush", "flush", failed("broke in \"flush\"")),
        trap("sink", "trap in a sink's stop", "stop", End::Parting("broke in \"stop\"")),
    ]);
    let spins = "(loop $again (br $again))";
    let slow = "(func $configure (param i32 i32 i32 i32 i64 i32 i32 i32) (result i32)";
    all.push(Attack {
        what: "slow start",
        kind: "transform",
        guest: format!("{slow} {spins} unreachable)"),
        settings: limit("1000"),
        end: failed("1000 ms"),
    });
    all.push(Attack {
        what: "slow birth",
        kind: "transform",
        guest: format!("(func $init {spins}) (start $init)"),
        settings: json!({}),
        end: End::NotLoaded("broke in \"instantiate\": it computed for longer than the 5000 ms"),
    });
    // There is something to commit only for a source that gives marks.
    for attack in all.iter_mut().filter(|a| a.what == "trap in commit") {
        attack.guest.push_str(MARKS);
    }
    all
}
