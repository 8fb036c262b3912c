use std::collections::BTreeSet;

use super::*;
use crate::dlq::Filter;
use crate::dlq::letter::{Failure, Letter};

const HOUR: i64 = HOUR_MS;

fn at(partition: i32, offset: i64) -> Position {
    Position { partition, offset }
}

/// The letter at an offset: three connectors, messages that vary, one hour every 100.
fn letter(partition: i32, offset: i64) -> Letter {
    let connector = ["a", "b", "c"][(offset % 3) as usize];
    let message = match offset % 5 {
        0 => format!("row {offset} is refused"),
        _ => "null value in column \"age\"".to_owned(),
    };
    let failure = Failure {
        stage: Some(if offset % 2 == 0 { "TASK_PUT" } else { "VALUE_CONVERTER" }.to_owned()),
        error: Some("refused".to_owned()),
        message: Some(message),
        connector: Some(connector.to_owned()),
        source_topic: Some("orders".to_owned()),
        source_partition: Some((offset % 4) as i32),
        source_offset: Some(offset * 10),
        ..Failure::default()
    };
    Letter { position: at(partition, offset), at: 1_000 * HOUR + offset * HOUR / 100, failure }
}

fn fill(index: &Index, partition: i32, offsets: std::ops::Range<i64>) {
    let mark = Mark { partition, start: 0, next: offsets.end, seen: Some(Seen { offset: offsets.end - 1, hash: 7 }) };
    index.apply(offsets.map(|offset| letter(partition, offset)).collect(), &[mark]).unwrap();
}

fn filter(given: serde_json::Value) -> Filter {
    Filter::from_json(given.as_object().unwrap()).unwrap()
}

fn open() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&dir.path().join("q")).unwrap();
    (dir, index)
}

/// Every record of a walk, in its order.
fn walk(index: &Index, filter: &Filter, order: Order, limit: usize, mut between: impl FnMut(usize)) -> Vec<Position> {
    let (mut cursor, mut found, mut pages) = (Cursor::start(order), Vec::new(), 0);
    loop {
        let page = index.page(filter, &cursor, limit).unwrap();
        assert!(page.rows.len() <= limit);
        found.extend(page.rows.iter().map(|r| r.position));
        let Some(next) = page.next else { return found };
        cursor = Cursor::decode(&next.encode()).unwrap();
        between(pages);
        pages += 1;
    }
}

/// Held against every letter, one by one.
#[test]
fn filters_find_what_they_mean() {
    let (_dir, index) = open();
    fill(&index, 0, 0..700);
    fill(&index, 1, 0..300);
    let cause =
        index.page(&filter(serde_json::json!({"text": "AGE"})), &Cursor::start(Order::Oldest), 1).unwrap().rows[0].cause.clone();
    let all: Vec<Letter> = (0..700).map(|o| letter(0, o)).chain((0..300).map(|o| letter(1, o))).collect();
    type Passes = Box<dyn Fn(&Letter) -> bool>;
    let cases: Vec<(serde_json::Value, Passes)> = vec![
        (serde_json::json!({}), Box::new(|_| true)),
        (serde_json::json!({"stage": "TASK_PUT"}), Box::new(|l| l.position.offset % 2 == 0)),
        (serde_json::json!({"connector": "b", "stage": "TASK_PUT"}), Box::new(|l| l.position.offset % 6 == 4)),
        (serde_json::json!({"source_partition": 3, "source_topic": "orders"}), Box::new(|l| l.position.offset % 4 == 3)),
        (serde_json::json!({"source_topic": "others"}), Box::new(|_| false)),
        (serde_json::json!({"cause": cause}), Box::new(|l| l.position.offset % 5 != 0)),
        (serde_json::json!({"text": "REFUSED"}), Box::new(|l| l.position.offset % 5 == 0)),
        (serde_json::json!({"text": "row 25"}), Box::new(|l| l.failure.message.as_ref().unwrap().contains("row 25"))),
        (
            serde_json::json!({"from": 1_001 * HOUR + 5, "to": 1_002 * HOUR + 5, "connector": "a"}),
            Box::new(|l| (1_001 * HOUR + 5..1_002 * HOUR + 5).contains(&l.at) && l.position.offset % 3 == 0),
        ),
        (
            serde_json::json!({"from": 1_001 * HOUR, "to": 1_001 * HOUR + HOUR / 2}),
            Box::new(|l| (1_001 * HOUR..1_001 * HOUR + HOUR / 2).contains(&l.at)),
        ),
        (serde_json::json!({"from": 5_000 * HOUR}), Box::new(|_| false)),
    ];
    for (given, passes) in cases {
        let filter = filter(given.clone());
        let expected: Vec<Position> = all.iter().filter(|l| passes(l)).map(|l| l.position).collect();
        assert_eq!(index.select(&filter, None, usize::MAX).unwrap(), expected, "{given}");
        assert_eq!(index.count(&filter).unwrap(), expected.len() as u64, "{given}");
        let expected: BTreeSet<_> = expected.into_iter().collect();
        for order in [Order::Newest, Order::Oldest] {
            let walked = walk(&index, &filter, order, 7, |_| {});
            assert_eq!(
                (walked.len(), walked.into_iter().collect::<BTreeSet<_>>()),
                (expected.len(), expected.clone()),
                "{given}"
            );
        }
    }
    // From place to place, as a redrive does it.
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let some = index.select(&Filter::default(), after, 64).unwrap();
        let Some(last) = some.last() else { break };
        after = Some(*last);
        found.extend(some);
    }
    assert_eq!(found, all.iter().map(|l| l.position).collect::<Vec<_>>());
}

#[test]
fn pages_have_every_record_once_while_others_arrive() {
    let (_dir, index) = open();
    fill(&index, 0, 0..250);
    fill(&index, 1, 0..100);
    let more = |page: usize| {
        let next = 250 + page as i64 * 5;
        if page < 40 {
            fill(&index, 0, next..next + 5);
            fill(&index, 2, page as i64..page as i64 + 1);
        }
    };
    let newest = walk(&index, &Filter::default(), Order::Newest, 10, more);
    let before: Vec<Position> = (0..250).map(|o| at(0, o)).chain((0..100).map(|o| at(1, o))).collect();
    let once: BTreeSet<_> = newest.iter().copied().collect();
    assert_eq!((newest.len(), once), (350, before.iter().copied().collect()));
    let times: Vec<i64> = newest.iter().map(|p| letter(p.partition, p.offset).at).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "the newest first");
    // Those that arrive meanwhile come, too.
    let (_dir, index) = open();
    fill(&index, 0, 0..50);
    let more = |page: usize| {
        if page < 20 {
            let next = 50 + page as i64 * 15;
            fill(&index, 0, next..next + 15);
        }
    };
    let oldest = walk(&index, &Filter::default(), Order::Oldest, 10, more);
    assert_eq!(oldest, (0..350).map(|o| at(0, o)).collect::<Vec<_>>());
}

#[test]
fn a_summary_counts_what_the_records_are() {
    let (_dir, index) = open();
    fill(&index, 0, 0..600);
    let summary = index.summary(&Filter::default()).unwrap();
    let causes: Vec<_> = summary.causes.iter().map(|c| (c.message.as_str(), c.records)).collect();
    assert_eq!(causes, [("null value in column \"age\"", 480), ("row … is refused", 120)]);
    assert_eq!((summary.causes[0].first, summary.causes[0].last), (Some(1_000 * HOUR), Some(1_005 * HOUR)));
    assert_eq!(summary.stages, [(Some("TASK_PUT".into()), 300), (Some("VALUE_CONVERTER".into()), 300)]);
    assert_eq!(summary.plugins.iter().map(|(_, n)| n).sum::<u64>(), 600);
    assert_eq!(summary.hours, (0..6).map(|h| (Some((1_000 + h) * HOUR), 100)).collect::<Vec<_>>());
    assert_eq!(summary.outcomes, [(OutcomeState::Waiting, 600)]);
    let some = index.summary(&filter(serde_json::json!({"connector": "a", "from": 1_002 * HOUR}))).unwrap();
    assert_eq!(some.records, (200..600).filter(|o| o % 3 == 0).count() as u64);
    assert_eq!(index.extent().unwrap(), (600, Some((1_000 * HOUR, letter(0, 599).at))));
}

#[test]
fn outcomes_are_filtered_by_and_outlive_a_record_that_is_read_again() {
    let (_dir, index) = open();
    fill(&index, 0, 0..10);
    let of = |state| Outcome { state, at: 5, by: Some("me".into()), reason: Some("why".into()) };
    let set = [
        (at(0, 3), of(OutcomeState::Redriven)),
        (at(0, 4), of(OutcomeState::Discarded)),
        (at(0, 20), of(OutcomeState::FailedAgain)),
    ];
    index.set_outcomes(&set).unwrap();
    index.set_outcomes(&set).unwrap();
    let select = |outcome: &str| index.select(&filter(serde_json::json!({"outcome": outcome})), None, 100).unwrap();
    assert_eq!((select("redriven"), select("discarded"), select("failed again")), (vec![at(0, 3)], vec![at(0, 4)], vec![]));
    assert_eq!(select("waiting").len(), 8);
    fill(&index, 0, 10..30);
    assert_eq!(select("failed_again"), [at(0, 20)], "it was known before the record");
    let (row, outcome) = index.row(at(0, 4)).unwrap().unwrap();
    assert_eq!((row.outcome, outcome), (OutcomeState::Discarded, Some(of(OutcomeState::Discarded))));
    index.set_outcomes(&[(at(0, 4), Outcome::default())]).unwrap();
    assert!(select("discarded").is_empty() && index.row(at(0, 4)).unwrap().unwrap().1.is_none());
    let outcomes = index.summary(&Filter::default()).unwrap().outcomes;
    assert_eq!(outcomes, [(OutcomeState::Waiting, 28), (OutcomeState::Redriven, 1), (OutcomeState::FailedAgain, 1)]);
}

#[test]
fn what_the_log_deleted_goes_and_the_rest_stays() {
    let (_dir, index) = open();
    fill(&index, 0, 0..130_000);
    fill(&index, 1, 0..10);
    index.set_outcomes(&[(at(0, 5), Outcome { state: OutcomeState::Redriven, ..Outcome::default() })]).unwrap();
    index.delete_below(0, 129_990).unwrap();
    let left = index.select(&Filter::default(), None, 100).unwrap();
    assert_eq!(left, (129_990..130_000).map(|o| at(0, o)).chain((0..10).map(|o| at(1, o))).collect::<Vec<_>>());
    let summary = index.summary(&Filter::default()).unwrap();
    assert_eq!((summary.records, index.count(&Filter::default()).unwrap(), summary.hours.len()), (20, 20, 2));
    assert!(index.row(at(0, 5)).unwrap().is_none());
    index.delete_below(0, i64::MAX).unwrap();
    assert_eq!(index.count(&Filter::default()).unwrap(), 10);
}

#[test]
fn an_index_is_taken_up_again_and_a_damaged_one_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    fill(&Index::open(&path).unwrap(), 3, 0..10);
    let index = Index::open(&path).unwrap();
    assert_eq!(index.marks().unwrap(), [Mark { partition: 3, start: 0, next: 10, seen: Some(Seen { offset: 9, hash: 7 }) }]);
    // What was written before is not counted again.
    fill(&index, 3, 5..20);
    assert_eq!((index.count(&Filter::default()).unwrap(), index.summary(&Filter::default()).unwrap().causes.len()), (20, 2));
    drop(index);
    for entry in std::fs::read_dir(&path).unwrap() {
        std::fs::write(entry.unwrap().path(), vec![b'x'; 100_000]).unwrap();
    }
    let index = Index::open(&path).unwrap();
    assert_eq!((index.marks().unwrap(), index.count(&Filter::default()).unwrap()), (vec![], 0));
}

#[test]
fn messages_that_all_differ_are_not_all_causes() {
    let (_dir, index) = open();
    let letters = (0..5_000).map(|offset| {
        let name = format!("{:x}", offset).bytes().map(|b| (b'a' + b % 26) as char).collect::<String>();
        let failure = Failure { message: Some(format!("word {name} {name}{name} of {offset}")), ..Failure::default() };
        Letter { position: at(0, offset), at: -1, failure }
    });
    let mark = Mark { partition: 0, start: 0, next: 5_000, seen: None };
    index.apply(letters.collect(), &[mark]).unwrap();
    let summary = index.summary(&Filter::default()).unwrap();
    assert!(summary.causes.len() <= 2_001 && summary.records == 5_000, "{}", summary.causes.len());
    assert_eq!(summary.hours, [(None, 5_000)]);
    let last = index.row(at(0, 4_999)).unwrap().unwrap().0;
    assert!(last.message.starts_with("word ") && last.message.ends_with(" of 4999"), "{}", last.message);
    let found = index.select(&filter(serde_json::json!({"text": "of 4999"})), None, 10).unwrap();
    assert_eq!(found, [at(0, 4_999)]);
}

#[test]
fn cursors_that_are_none_are_told() {
    for text in ["", "x", "bix4", "bywwOjEsLTE6NA", &"a".repeat(70_000)] {
        assert_eq!(Cursor::decode(text), None, "{text}");
    }
    let cursor = Cursor::decode("bywwOjQx").unwrap();
    assert_eq!((cursor.order, cursor.encode().as_str()), (Order::Oldest, "bywwOjQx"));
}
