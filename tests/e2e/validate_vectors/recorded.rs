//! The recording: its files, and what makes two answers differ.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value, json};

fn file(name: &str) -> PathBuf {
    millrace_tests::root().join("tests/e2e/validate_vectors").join(name)
}

fn read(name: &str) -> anyhow::Result<Value> {
    let path = file(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// One request.
pub struct Case {
    pub name: String,
    pub worker: String,
    pub method: String,
    pub path: String,
    pub body: Option<String>,
    pub content: Option<String>,
}

pub fn cases() -> anyhow::Result<Vec<Case>> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let case = |c: &Value| {
        Some(Case {
            name: text(&c["name"])?,
            worker: text(&c["worker"]).unwrap_or_else(|| "all".into()),
            method: text(&c["method"])?,
            path: text(&c["path"])?,
            body: c.get("body").map(Value::to_string).or_else(|| text(&c["raw"])),
            content: text(&c["content"]),
        })
    };
    read("cases.json")?.as_array().context("no list")?.iter().map(|c| case(c).with_context(|| c.to_string())).collect()
}

/// One answer, without the documentation of keys, which is each one's own.
pub struct Answer {
    pub status: u16,
    pub content: Option<String>,
    pub allow: Option<String>,
    pub body: Value,
}

pub fn without_documentation(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("documentation");
            map.values_mut().for_each(without_documentation);
        }
        Value::Array(list) => {
            // An example of ours may be installed beside what Connect has.
            list.retain(|v| !v.as_str().is_some_and(|v| v.starts_with("com.example.")));
            list.iter_mut().for_each(without_documentation);
        }
        _ => {}
    }
}

/// Answers by the names of their cases. Keys with their values are many times the same: they are kept once, and named by
/// their place.
#[derive(Default)]
pub struct Answers {
    entries: Vec<Value>,
    places: HashMap<String, usize>,
    answers: BTreeMap<String, Value>,
}

impl Answers {
    pub fn read() -> anyhow::Result<Answers> {
        let Value::Object(mut file) = read("answers.json")? else { anyhow::bail!("answers.json has no object") };
        let Some(Value::Array(entries)) = file.remove("entries") else { anyhow::bail!("answers.json has no entries") };
        let Some(Value::Object(answers)) = file.remove("answers") else { anyhow::bail!("answers.json has no answers") };
        Ok(Answers { entries, answers: answers.into_iter().collect(), ..Answers::default() })
    }

    pub fn get(&self, case: &str) -> anyhow::Result<Answer> {
        let answer = self.answers.get(case).with_context(|| format!("{case} was not recorded"))?;
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let mut body = answer["body"].clone();
        let list = if body["configs"].is_array() { &mut body["configs"] } else { &mut body };
        for place in list.as_array_mut().into_iter().flatten() {
            if let Some(entry) = place.as_u64().and_then(|at| self.entries.get(at as usize)) {
                *place = entry.clone();
            }
        }
        let status = answer["status"].as_u64().context("no status")? as u16;
        Ok(Answer { status, content: text(&answer["content"]), allow: text(&answer["allow"]), body })
    }

    pub fn add(&mut self, case: &str, mut answer: Answer) {
        let body = &mut answer.body;
        let list = if body["configs"].is_array() { &mut body["configs"] } else { body };
        for entry in list.as_array_mut().into_iter().flatten() {
            let at = *self.places.entry(entry.to_string()).or_insert_with(|| {
                self.entries.push(entry.clone());
                self.entries.len() - 1
            });
            *entry = json!(at);
        }
        let kept = json!({"status": answer.status, "content": answer.content, "allow": answer.allow, "body": answer.body});
        self.answers.insert(case.to_owned(), kept);
    }

    pub fn write(&self) -> anyhow::Result<()> {
        let lines = |all: Vec<String>| all.join(",\n");
        let entries = lines(self.entries.iter().map(Value::to_string).collect());
        let answers = lines(self.answers.iter().map(|(k, v)| format!("{}:{v}", json!(k))).collect());
        std::fs::write(file("answers.json"), format!("{{\"entries\":[\n{entries}\n],\n\"answers\":{{\n{answers}\n}}}}\n"))?;
        Ok(())
    }
}

/// The differences that are known, each with its reason.
pub struct Differences(Vec<Known>);

struct Known {
    reason: String,
    /// Cases whose names begin so; all, when there is none.
    cases: Vec<String>,
    /// What differs; one that ends in `*` stands for all that begin so.
    what: Vec<String>,
}

impl Differences {
    pub fn read() -> anyhow::Result<Differences> {
        let texts = |v: &Value| v.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect();
        let known = |d: &Value| Known {
            reason: d["reason"].as_str().unwrap_or_default().to_owned(),
            cases: texts(&d["cases"]),
            what: texts(&d["what"]),
        };
        Ok(Differences(read("differences.json")?.as_array().context("no list")?.iter().map(known).collect()))
    }

    pub fn reason(&self, case: &str, what: &str) -> Option<String> {
        let begins = |pattern: &String, text: &str| match pattern.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text == pattern,
        };
        let of = |d: &&Known| {
            (d.cases.is_empty() || d.cases.iter().any(|c| begins(c, case))) && d.what.iter().any(|w| begins(w, what))
        };
        self.0.iter().find(of).map(|d| d.reason.clone())
    }

    pub fn reasons(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|d| &d.reason)
    }
}

/// What differs, and how: (`status`, `message`, `errors of topic`, `only ours: x`, ...).
pub fn differences(theirs: &Answer, ours: &Answer) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut differ = |what: &str, theirs: &Value, ours: &Value| {
        if theirs != ours {
            all.push((what.to_owned(), format!("Connect: {theirs}, ours: {ours}")));
        }
    };
    differ("status", &json!(theirs.status), &json!(ours.status));
    differ("content type", &json!(theirs.content), &json!(ours.content));
    differ("allow", &json!(theirs.allow), &json!(ours.allow));
    if theirs.status != ours.status {
        differ("message", &theirs.body, &ours.body);
        return all;
    }
    let list = |v: &Value| v.get("configs").unwrap_or(v).as_array().cloned();
    let (Some(their_keys), Some(our_keys)) = (list(&theirs.body), list(&ours.body)) else {
        differ("message", &theirs.body, &ours.body);
        return all;
    };
    differ("name", &theirs.body["name"], &ours.body["name"]);
    differ("groups", &theirs.body["groups"], &ours.body["groups"]);
    let (mut place_theirs, mut place_ours) = (Vec::new(), Vec::new());
    let (theirs, ours) = (by_name(&their_keys), by_name(&our_keys));
    for (name, entry) in &theirs {
        let Some((_, ours)) = ours.iter().find(|(n, _)| n == name) else {
            differ(&format!("only Connect's: {name}"), entry, &Value::Null);
            continue;
        };
        place_theirs.push(json!(name));
        for part in fields(entry).into_iter().chain(fields(ours)) {
            let (their_part, our_part) = (at(entry, &part), at(ours, &part));
            differ(&format!("{part} of {name}"), &their_part, &our_part);
        }
    }
    for (name, entry) in &ours {
        if theirs.iter().any(|(n, _)| n == name) {
            place_ours.push(json!(name));
        } else {
            differ(&format!("only ours: {name}"), &Value::Null, entry);
        }
    }
    differ("order", &Value::from(place_theirs), &Value::from(place_ours));
    all.dedup();
    all
}

/// Entries by name; a second one of the same name, which has no definition, gets a name of its own.
fn by_name(entries: &[Value]) -> Vec<(String, Value)> {
    let name = |e: &Value| {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        match text(&e["value"]["name"]).or_else(|| text(&e["name"])).or_else(|| text(&e["class"])) {
            Some(name) if e.get("definition") == Some(&Value::Null) => format!("{name} (no definition)"),
            Some(name) => format!("{name}{}", e["type"].as_str().filter(|_| e.get("class").is_some()).unwrap_or_default()),
            None => e.to_string(),
        }
    };
    entries.iter().map(|e| (name(e), e.clone())).collect()
}

/// The parts of an entry that are compared one by one.
fn fields(entry: &Value) -> Vec<String> {
    let of = |map: &Map<String, Value>, prefix: &str| map.keys().map(|k| format!("{prefix}{k}")).collect::<Vec<_>>();
    let Some(map) = entry.as_object() else { return Vec::new() };
    let mut all = Vec::new();
    for (key, value) in map {
        match value {
            Value::Object(inner) => all.extend(of(inner, &format!("{key}."))),
            _ => all.push(key.clone()),
        }
    }
    all
}

fn at(entry: &Value, part: &str) -> Value {
    part.split('.').fold(entry.clone(), |v, key| v.get(key).cloned().unwrap_or(Value::Null))
}
