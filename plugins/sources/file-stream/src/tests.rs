use std::io::Write;
use std::path::PathBuf;

use millrace_plugin::{Config, Encoded, ErrorKind, Polled, Source, SourceOffset, TaskContext, files, row};

use crate::lines::{Next, next};
use crate::source::FileStreamSource;

struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("file-stream-source-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        files::bind("file", &path);
        File(path)
    }
    fn append(&self, bytes: &[u8]) {
        std::fs::File::options().append(true).create(true).open(&self.0).unwrap().write_all(bytes).unwrap();
    }
    fn start(&self, position: Option<u64>, settings: &[(&str, &str)]) -> FileStreamSource {
        let name = self.0.to_str().unwrap();
        let mut config = Config::new([("file", name), ("topic", "lines")]).with_defaults(&FileStreamSource::info().keys);
        for (k, v) in settings {
            config.set(*k, *v);
        }
        let committed = position
            .map(|p| SourceOffset { partition: format!("{{\"filename\":\"{name}\"}}"), offset: format!("{{\"position\":{p}}}") });
        FileStreamSource::start(TaskContext::for_test(config), committed.into_iter().collect()).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn values(polled: &Polled) -> Vec<String> {
    let Encoded::Rows(bytes) = &polled.records else { panic!("rows") };
    let batch = row::Batch::parse(bytes).unwrap();
    batch.iter().map(|r| r.value().unwrap().text(0).to_owned()).collect()
}

fn last_position(polled: &Polled) -> &str {
    &polled.marks.last().unwrap().offset
}

#[test]
fn lines_end_as_java_ends_them() {
    assert_eq!(next(b"a\nb"), Next::Line(b"a", 2));
    assert_eq!(next(b"a\r\nb"), Next::Line(b"a", 3));
    assert_eq!(next(b"a\rb"), Next::Line(b"a", 2));
    assert_eq!(next(b"a\r"), Next::Partial);
    assert_eq!(next(b"\n"), Next::Line(b"", 1));
    assert_eq!(next(b"abc"), Next::Partial);
}

#[test]
fn only_whole_lines_leave_and_each_carries_its_position() {
    let file = File::new("whole");
    let mut source = file.start(None, &[]);
    assert!(source.poll(100, 1 << 20).unwrap().idle_ms.is_some(), "the file does not exist yet");
    file.append(b"one\ntwo\nthr");
    let polled = source.poll(100, 1 << 20).unwrap();
    assert_eq!(values(&polled), ["one", "two"]);
    assert_eq!(polled.marks[0].offset, "{\"position\":4}");
    assert_eq!(last_position(&polled), "{\"position\":8}");
    assert!(values(&source.poll(100, 1 << 20).unwrap()).is_empty());
    file.append("ée\n".as_bytes());
    let polled = source.poll(100, 1 << 20).unwrap();
    assert_eq!(values(&polled), ["thrée"]);
    assert_eq!(last_position(&polled), "{\"position\":15}");
}

#[test]
fn it_resumes_where_it_was_committed() {
    let file = File::new("resume");
    file.append(b"one\ntwo\nthree\n");
    assert_eq!(values(&file.start(Some(4), &[]).poll(100, 1 << 20).unwrap()), ["two", "three"]);
}

#[test]
fn the_batch_size_bounds_a_poll() {
    let file = File::new("batch");
    file.append(b"1\n2\n3\n");
    let mut source = file.start(None, &[("batch.size", "2")]);
    assert_eq!(values(&source.poll(100, 1 << 20).unwrap()), ["1", "2"]);
    assert_eq!(values(&source.poll(100, 1 << 20).unwrap()), ["3"]);
}

#[test]
fn a_line_over_the_limit_is_cut_and_nothing_is_lost() {
    let file = File::new("long");
    // The limit falls into the middle of a character; one line has just as many bytes as it may.
    let long = format!("{}é{}", "x".repeat(15), "y".repeat(20));
    let just = "z".repeat(16);
    file.append(format!("short\n{long}\n{just}\r\nend\n").as_bytes());
    let mut source = file.start(None, &[("line.bytes.max", "16")]);
    let mut got = Vec::new();
    // A look of a few bytes at a time sees the same lines.
    while got.last().map(String::as_str) != Some("end") {
        let polled = source.poll(100, 3).unwrap();
        assert!(polled.idle_ms.is_none(), "stuck after {got:?}");
        got.extend(values(&polled));
    }
    assert_eq!(got, ["short", "xxxxxxxxxxxxxxx", "éyyyyyyyyyyyyyy", "yyyyyy", &just, "end"]);
    assert_eq!(got[1..4].concat(), long);
}

#[test]
fn a_file_that_shrank_is_an_error_that_says_what_to_do() {
    let file = File::new("shrank");
    file.append(b"one\n");
    let error = file.start(Some(40), &[]).poll(100, 1 << 20).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.message.contains("reset the connector's offsets"), "{}", error.message);
}

#[test]
fn what_the_keys_do_not_say_is_named_at_once() {
    let config = Config::new([("batch.size", "0"), ("line.bytes.max", "1")]).with_defaults(&FileStreamSource::info().keys);
    let names: Vec<_> = FileStreamSource::validate(&config).into_iter().map(|i| i.name).collect();
    assert_eq!(names, ["file", "batch.size", "line.bytes.max"]);
}
