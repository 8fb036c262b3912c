//! Several registries on one log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Log, Server};

fn schema(name: &str) -> Option<Value> {
    Some(json!({"schema": json!({"type": "record", "name": name, "fields": []}).to_string()}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_never_give_one_id_to_two_schemas() {
    let log = Arc::new(Log::default());
    let servers = [Server::on(&log), Server::on(&log)];
    let clients = (0..16).map(|client| {
        let server = servers[client % 2].clone();
        tokio::spawn(async move {
            let mut got = Vec::new();
            for n in 0..20 {
                // Half of the schemas are registered by all.
                let name = if n % 2 == 0 { format!("Shared{n}") } else { format!("Own{client}x{n}") };
                let subject = format!("s{}", if n % 4 == 0 { 0 } else { client });
                server.well("PUT", &format!("/config/{subject}"), Some(json!({"compatibility": "NONE"}))).await;
                let answer = server.well("POST", &format!("/subjects/{subject}/versions"), schema(&name)).await;
                got.push((name, subject, answer["id"].clone(), answer["version"].clone()));
            }
            got
        })
    });
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut places = HashSet::new();
    for client in clients.collect::<Vec<_>>() {
        for (name, subject, id, version) in client.await.unwrap() {
            assert_eq!(*ids.entry(id.to_string()).or_insert_with(|| name.clone()), name, "id {id} is of two schemas");
            places.insert((subject.clone(), version.to_string(), name.clone()));
            for server in &servers {
                let there = server.well("GET", &format!("/subjects/{subject}/versions/{version}"), None).await;
                assert_eq!(there["id"], id);
            }
        }
    }
    assert_eq!(ids.len(), ids.values().collect::<HashSet<_>>().len(), "a schema has two ids");
    let versions: HashSet<_> = places.iter().map(|(s, v, _)| (s, v)).collect();
    assert_eq!(versions.len(), places.len(), "a version is of two schemas");
    assert_eq!(ids.len(), 10 + 16 * 10);
}

#[tokio::test]
async fn one_knows_what_the_other_wrote() {
    let log = Arc::new(Log::default());
    let (a, b) = (Server::on(&log), Server::on(&log));
    assert_eq!(a.well("POST", "/subjects/s/versions", schema("A")).await["id"], 1);
    assert_eq!(b.well("GET", "/subjects/s/versions/latest", None).await["id"], 1);
    assert_eq!(b.well("DELETE", "/subjects/s", None).await, json!([1]));
    assert_eq!(a.fails("DELETE", "/subjects/s", None).await.0, 40404);
    assert_eq!(a.well("POST", "/subjects/t/versions", schema("T")).await["id"], 2);
    // Who comes later has it all.
    assert_eq!(Server::on(&log).well("GET", "/schemas/ids/2/subjects", None).await, json!(["t"]));
}
