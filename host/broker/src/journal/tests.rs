use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn topic(name: &str) -> Entry {
    let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    Entry::Topic { name: name.to_owned(), id: uuid::Uuid::from_u128(7), partitions: 3, settings }
}

fn offsets(group: &str, offset: i64) -> Entry {
    let committed = CommittedOffset { offset, leader_epoch: -1, metadata: "m".to_owned() };
    Entry::Offsets { group: group.to_owned(), offsets: vec![(("orders".to_owned(), 0), committed)] }
}

fn decided(commit: bool) -> Entry {
    let committed = CommittedOffset { offset: 77, leader_epoch: -1, metadata: String::new() };
    let decision = Decision {
        producer_id: 4,
        producer_epoch: 2,
        commit,
        partitions: vec![("orders".to_owned(), 0)],
        offsets: vec![("group".to_owned(), vec![(("orders".to_owned(), 0), committed)])],
    };
    Entry::Decided { id: "t".to_owned(), decision }
}

fn every_entry() -> Vec<Entry> {
    vec![
        topic("orders"),
        topic("gone"),
        Entry::TopicDeleted { name: "gone".to_owned() },
        Entry::LogStart { topic: "orders".to_owned(), partition: 1, offset: 9 },
        offsets("group", 5),
        offsets("other", 6),
        Entry::OffsetsDeleted { group: "other".to_owned(), partitions: vec![("orders".to_owned(), 0)] },
        Entry::GroupDeleted { group: "other".to_owned() },
        Entry::ProducerIds { next: 12 },
        Entry::Transactional {
            id: "t".to_owned(),
            producer: TransactionalProducer { producer_id: 4, producer_epoch: 2, timeout_ms: 60_000 },
        },
        decided(true),
        Entry::Done { id: "t".to_owned() },
        decided(false),
        Entry::TransactionalForgotten { id: "t".to_owned() },
    ]
}

#[test]
fn every_entry_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = Journal::open(&path, false).unwrap();
    journal.write(every_entry()).unwrap();
    let before = journal.read(State::clone);
    assert_eq!(before.offsets["group"][&("orders".to_owned(), 0)].offset, 77);
    drop(journal);
    assert_eq!(Journal::open(&path, false).unwrap().read(State::clone), before);
}

#[test]
fn an_undone_decision_keeps_its_offsets_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal"), false).unwrap();
    journal.write(vec![topic("orders"), offsets("group", 5), decided(true)]).unwrap();
    let committed = |journal: &Journal| journal.read(|state| state.offsets["group"][&("orders".to_owned(), 0)].offset);
    assert_eq!(committed(&journal), 5);
    journal.write(vec![Entry::Done { id: "t".to_owned() }]).unwrap();
    assert_eq!(committed(&journal), 77);
}

#[test]
fn the_file_is_rewritten_and_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = Journal::open(&path, false).unwrap();
    journal.write(vec![topic("orders")]).unwrap();
    for offset in 0..200_000 {
        journal.write(vec![offsets("group", offset)]).unwrap();
    }
    assert!(std::fs::metadata(&path).unwrap().len() < REWRITE_BYTES + 100_000);
    let before = journal.read(State::clone);
    drop(journal);
    assert_eq!(Journal::open(&path, false).unwrap().read(State::clone), before);
}

proptest! {
    #[test]
    fn a_torn_tail_loses_only_the_torn_entry(cut in 1usize..200) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path, false).unwrap();
        journal.write(vec![topic("orders"), offsets("group", 5)]).unwrap();
        let kept = journal.read(State::clone);
        let length = std::fs::metadata(&path).unwrap().len();
        journal.write(vec![decided(true)]).unwrap();
        drop(journal);
        let full = std::fs::metadata(&path).unwrap().len();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(full.saturating_sub(cut as u64).max(length)).unwrap();
        prop_assert_eq!(Journal::open(&path, false).unwrap().read(State::clone), kept);
    }

    #[test]
    fn garbage_is_no_entry_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(&bytes);
        let _ = split(&bytes);
    }
}
