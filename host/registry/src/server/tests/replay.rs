//! Whatever is done, in whatever order: the log tells the same again, compacted or not.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Log, Server};
use crate::server::Entry;
use crate::server::record::Record;
use crate::server::state::State;

type Ask = (&'static str, String, Option<Value>);

fn subject() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", ":.eu:a", ":.eu:c"])
}

fn schema() -> impl Strategy<Value = Value> {
    let text = (0..6).prop_map(|n| json!({"type": "record", "name": format!("R{n}"), "fields": []}).to_string());
    let reference = prop::option::of((subject(), prop::sample::select(vec![-1, 1, 2])));
    (text, reference).prop_map(|(schema, reference)| match reference {
        None => json!({"schema": schema}),
        Some((subject, version)) => {
            json!({"schema": schema, "references": [{"name": "r", "subject": subject, "version": version}]})
        }
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let permanent = prop::sample::select(vec!["", "?permanent=true"]);
    let version = prop::sample::select(vec!["1", "2", "3", "latest"]);
    let mode = prop::sample::select(vec!["READWRITE", "READONLY", "FORWARD", "IMPORT"]);
    let level = prop::sample::select(vec!["NONE", "FULL"]);
    prop_oneof![
        6 => (subject(), schema()).prop_map(|(s, b)| ("POST", format!("/subjects/{s}/versions"), Some(b))),
        1 => (subject(), schema(), 1i64..9, 1i64..5).prop_map(|(s, mut b, id, version)| {
            (b["id"], b["version"]) = (id.into(), version.into());
            ("POST", format!("/subjects/{s}/versions"), Some(b))
        }),
        2 => (subject(), permanent.clone()).prop_map(|(s, p)| ("DELETE", format!("/subjects/{s}{p}"), None)),
        3 => (subject(), version, permanent).prop_map(|(s, v, p)| ("DELETE", format!("/subjects/{s}/versions/{v}{p}"), None)),
        1 => (subject(), mode).prop_map(|(s, m)| ("PUT", format!("/mode/{s}?force=true"), Some(json!({"mode": m})))),
        1 => (subject(), prop::bool::ANY).prop_map(|(s, r)| ("DELETE", format!("/mode/{s}?recursive={r}"), None)),
        1 => (subject(), level).prop_map(|(s, l)| ("PUT", format!("/config/{s}"), Some(json!({"compatibility": l})))),
        1 => subject().prop_map(|s| ("DELETE", format!("/config/{s}"), None)),
        1 => Just(("DELETE", "/contexts/.eu".to_owned(), None)),
    ]
}

fn replay(entries: &[Entry]) -> State {
    let mut state = State::default();
    for entry in entries {
        state.apply(&Record::read(&entry.key, entry.value.as_deref()).expect("the registry wrote it"));
    }
    state
}

/// The last record of each key; tombstones go too.
fn compacted(entries: &[Entry]) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Entry> = entries.iter().rev().filter(|e| seen.insert(e.key.clone())).cloned().collect();
    kept.retain(|e| e.value.is_some());
    kept.reverse();
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_tells_the_same_again(asks in prop::collection::vec(ask(), 1..40), cut in 0usize..80) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let log = Arc::new(Log::default());
            let server = Server::on(&log);
            let mut ids = std::collections::HashMap::new();
            for (method, path, body) in asks {
                let (status, answer) = server.ask(method, &path, body.clone()).await;
                assert!(status < 500, "{method} {path}: {status} {answer}");
                let Some(id) = answer.get("id").and_then(Value::as_i64) else { continue };
                // Within a context an id is one schema's for ever, unless somebody says otherwise.
                let subject = path.trim_start_matches("/subjects/").split('/').next().unwrap_or_default().to_owned();
                let schema = server.well("GET", &format!("/schemas/ids/{id}?subject={subject}"), None).await;
                let context = subject.starts_with(':');
                if body.is_some_and(|b| b["id"].is_i64()) {
                    ids.insert((context, id), schema["guid"].clone());
                }
                let known = ids.entry((context, id)).or_insert_with(|| schema["guid"].clone());
                assert_eq!(*known, schema["guid"], "id {id} is of two schemas");
            }
            let entries = log.entries();
            let state = server.registry.view(State::clone);
            assert_eq!(replay(&entries), state);
            // Compaction reaches some of the log, or all of it.
            for cut in [cut.min(entries.len()), entries.len()] {
                let (old, new) = entries.split_at(cut);
                let shorter: Vec<_> = compacted(old).into_iter().chain(new.iter().cloned()).collect();
                assert_eq!(replay(&shorter), state);
            }
        });
    }
}
