//! Where a sink task asks whether it may decode records of a schema it has not met before, and a source task says of which
//! schemas it writes records.
//!
//! The gate looks at the id that stands before the bytes of a key or value, so that a converter needs to know nothing of it,
//! and asks once for each topic and id. What is behind it (the schema monitor) is known to the worker alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use millrace_record::convert::Wait;
use millrace_record::{RawConfig, Wake};

use super::TaskId;

/// The first byte of what a converter with a registry wrote; the id follows in four bytes.
const MAGIC: u8 = 0;

/// What gives tasks their gates.
pub trait SchemaGates: Send + Sync {
    /// `config` is the connector's, references resolved. `wake` is raised when [`SchemaGate::refusal`] has something to say.
    /// None: no converter of the task has a registry, or what a source writes is known without it.
    fn enter(&self, id: &TaskId, sink: bool, config: &RawConfig, wake: &Wake) -> Option<Arc<dyn SchemaGate>>;
}

/// What becomes of a record whose schema was met for the first time.
pub enum Passage {
    Pass,
    /// Ask again once it is over.
    Wait(Wait),
    /// The task is to stop before this record; why, for a person.
    Refused(String),
}

/// One task's gate.
pub trait SchemaGate: Send + Sync {
    /// Whether keys (true) or values have a registry behind them.
    fn watches(&self, key: bool) -> bool;
    /// Called once for each topic and id until it passes; a source's always does. Never blocks.
    fn pass(&self, topic: &str, key: bool, id: i32) -> Passage;
    /// Why the task is to stop although it has met no such record yet.
    fn refusal(&self) -> Option<String>;
}

/// The id of the schema that bytes were written by.
fn schema_id(bytes: Option<&[u8]>) -> Option<i32> {
    match bytes? {
        [MAGIC, a, b, c, d, ..] => Some(i32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// A gate with a memory of what has passed.
pub(super) struct Doorman {
    gate: Arc<dyn SchemaGate>,
    /// Of keys and of values.
    watches: [bool; 2],
    passed: HashMap<String, [HashSet<i32>; 2]>,
    /// What passed last, of keys and of values: most often the next is the same.
    last: [(String, i32); 2],
}

impl Doorman {
    pub fn new(gate: Arc<dyn SchemaGate>) -> Self {
        let watches = [gate.watches(true), gate.watches(false)];
        Doorman { gate, watches, passed: HashMap::new(), last: Default::default() }
    }

    /// Answers for the key, then the value; true with the answer: it is about the key.
    pub fn ask(&mut self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<(bool, Passage)> {
        for (i, bytes) in [key, value].into_iter().enumerate() {
            let Some(id) = schema_id(bytes).filter(|_| self.watches[i]) else { continue };
            if self.last[i].1 == id && self.last[i].0 == topic {
                continue;
            }
            if !self.passed.get(topic).is_some_and(|p| p[i].contains(&id)) {
                match self.gate.pass(topic, i == 0, id) {
                    Passage::Pass => {
                        self.passed.entry(topic.to_owned()).or_default()[i].insert(id);
                    }
                    other => return Some((i == 0, other)),
                }
            }
            self.last[i] = (topic.to_owned(), id);
        }
        None
    }

    pub fn refusal(&self) -> Option<String> {
        self.gate.refusal()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Asked(Mutex<Vec<(String, bool, i32)>>);

    impl SchemaGate for Asked {
        fn watches(&self, key: bool) -> bool {
            !key
        }
        fn pass(&self, topic: &str, key: bool, id: i32) -> Passage {
            self.0.lock().unwrap().push((topic.to_owned(), key, id));
            if id == 9 { Passage::Refused("nine".into()) } else { Passage::Pass }
        }
        fn refusal(&self) -> Option<String> {
            None
        }
    }

    #[test]
    fn asks_once_for_each_topic_and_id_until_it_passes() {
        let gate = Arc::new(Asked::default());
        let mut door = Doorman::new(gate.clone());
        let id = |n: u8| [0, 0, 0, 0, n, 7];
        for (topic, n) in [("a", 1), ("a", 1), ("a", 2), ("a", 1), ("b", 1)] {
            assert!(door.ask(topic, Some(&id(8)), Some(&id(n))).is_none());
        }
        assert!(door.ask("a", None, Some(&id(9))).is_some() && door.ask("a", None, Some(&id(9))).is_some());
        for none in [None, Some(&[][..]), Some(&[0, 1, 2][..]), Some(&b"{\"a\": 1}"[..])] {
            assert!(door.ask("a", None, none).is_none());
        }
        let asked: Vec<_> = gate.0.lock().unwrap().iter().map(|(t, k, n)| format!("{t}{k}{n}")).collect();
        assert_eq!(asked, ["afalse1", "afalse2", "bfalse1", "afalse9", "afalse9"]);
    }
}
