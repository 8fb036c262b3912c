//! The log as a whole: append, read, roll, recover, compact, retain.

use super::batch::{BatchHeader, check_produced};
use super::partition::Partition;
use super::read::ReadError;
use super::records::Records;
use super::records::testing::{From, Pair, batch};
use crate::config::Limits;
use crate::topics::TopicConfig;
use kafka_protocol::ResponseError;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

fn config(settings: &[(&str, &str)]) -> TopicConfig {
    TopicConfig::new(&settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()).unwrap()
}

fn open_in_boot(dir: &Path, boot: &str) -> Arc<Partition> {
    Arc::new(Partition::open("orders".into(), 0, dir.to_owned(), boot.into(), 0).unwrap())
}

fn open(dir: &Path) -> Arc<Partition> {
    open_in_boot(dir, "boot")
}

fn append(partition: &Partition, bytes: &[u8], config: &TopicConfig) -> Result<i64, ResponseError> {
    let header = check_produced(bytes, 1 << 20)?;
    partition.append(bytes, header, config).map(|appended| appended.base_offset)
}

fn plain(timestamp: i64, pairs: &[Pair]) -> Vec<u8> {
    batch(0, timestamp, None, pairs)
}

/// All records as offset, key, tombstone, read as a consumer would.
fn read_all(partition: &Partition, bytes_max: u64) -> Vec<(i64, Vec<u8>, bool)> {
    let (mut offset, mut out) = (partition.bounds().start, Vec::new());
    loop {
        let plan = partition.plan_read(offset, bytes_max, true, false).unwrap();
        let Some(slice) = plan.slice else { return out };
        let mut bytes = vec![0; slice.bytes as usize];
        slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).expect("a fetch gives whole batches");
            let (one, after) = rest.split_at(header.bytes as usize);
            assert!(super::batch::checksum_fits(one));
            if !header.is_control() {
                for record in Records::of(&header, one, 1 << 20).unwrap().iter() {
                    let record = record.unwrap();
                    let at = header.base_offset + i64::from(record.offset_delta);
                    if at >= offset {
                        out.push((at, record.key.unwrap_or_default().to_vec(), record.is_tombstone));
                    }
                }
            }
            offset = header.next_offset();
            rest = after;
        }
    }
}

fn fill(partition: &Partition, config: &TopicConfig, batches: i64) {
    for n in 0..batches {
        let key = format!("key-{n}");
        append(partition, &plain(1_000 + n, &[(Some(key.as_bytes()), Some(b"value"))]), config).unwrap();
    }
}

#[test]
fn what_is_appended_is_read_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (partition, config) = (open(dir.path()), config(&[("segment.bytes", "2000")]));
    fill(&partition, &config, 500);
    for bytes_max in [1, 100, 5_000, 1 << 20] {
        let read = read_all(&partition, bytes_max);
        assert_eq!(read.len(), 500);
        assert!(
            read.iter().enumerate().all(|(n, (offset, key, _))| *offset == n as i64 && *key == format!("key-{n}").as_bytes())
        );
    }
    assert!(matches!(partition.plan_read(501, 1, true, false), Err(ReadError::OutOfRange(_))));
}

#[test]
fn a_killed_process_loses_nothing_and_a_torn_tail_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[("segment.bytes", "2000")]);
    fill(&open(dir.path()), &config, 100);
    let mut logs: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let last = logs.last().unwrap();
    let torn = plain(5, &[(Some(b"torn"), None)]);
    let mut bytes = std::fs::read(last).unwrap();
    bytes.extend_from_slice(&torn[..torn.len() - 3]);
    std::fs::write(last, bytes).unwrap();
    for boot in ["boot", "another boot"] {
        let partition = open_in_boot(dir.path(), boot);
        assert_eq!(read_all(&partition, 1 << 20).len(), 100);
        assert_eq!(partition.bounds().next, 100);
    }
    let partition = open(dir.path());
    assert_eq!(append(&partition, &plain(9, &[(Some(b"more"), None)]), &config), Ok(100));
}

#[test]
fn a_missing_index_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[("segment.bytes", "2000")]);
    fill(&open(dir.path()), &config, 100);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "index") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(read_all(&open(dir.path()), 1_000).len(), 100);
}

#[test]
fn sequences_are_checked_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[]);
    let send = |partition: &Partition, epoch, sequence| {
        let from = From { producer_id: 9, epoch, sequence, transactional: false };
        append(partition, &batch(0, 1, Some(from), &[(None, Some(b"a")), (None, Some(b"b"))]), &config)
    };
    let partition = open(dir.path());
    for n in 0..8 {
        assert_eq!(send(&partition, 0, n * 2), Ok(i64::from(n) * 2));
    }
    for partition in [partition, open(dir.path()), open_in_boot(dir.path(), "other")] {
        assert_eq!(send(&partition, 0, 14), Ok(14), "a repeat is acknowledged with its offset");
        assert_eq!(send(&partition, 0, 6), Ok(6), "and so is the fifth last");
        assert_eq!(send(&partition, 0, 4), Err(ResponseError::DuplicateSequenceNumber));
        assert_eq!(send(&partition, 0, 18), Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(send(&partition, 1, 3), Err(ResponseError::OutOfOrderSequenceNumber));
    }
    let partition = open(dir.path());
    assert_eq!(send(&partition, 1, 0), Ok(16));
    assert_eq!(send(&partition, 0, 16), Err(ResponseError::InvalidProducerEpoch));
}

#[test]
fn open_transactions_hold_the_last_stable_offset() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[]);
    let send = |partition: &Partition, producer_id, sequence| {
        let from = From { producer_id, epoch: 0, sequence, transactional: true };
        append(partition, &batch(0, 1, Some(from), &[(None, Some(b"a"))]), &config).unwrap()
    };
    let partition = open(dir.path());
    assert_eq!((send(&partition, 1, 0), send(&partition, 2, 0), send(&partition, 1, 1)), (0, 1, 2));
    assert_eq!(partition.bounds().last_stable, 0);
    partition.end_transaction(1, 0, true, &config).unwrap();
    let partition = open(dir.path());
    assert_eq!(partition.bounds().last_stable, 1);
    assert_eq!(partition.open_transactions(), [(2, 0)]);
    partition.end_transaction(2, 1, false, &config).unwrap();
    assert_eq!(partition.bounds().last_stable, 5);
    let plan = partition.plan_read(0, 1 << 20, true, true).unwrap();
    let aborted: Vec<_> = plan.aborted.iter().map(|a| (a.producer_id, a.first_offset, a.last_offset)).collect();
    assert_eq!(aborted, [(2, 1, 4)]);
}

#[test]
fn offsets_are_found_by_time_in_every_codec() {
    let dir = tempfile::tempdir().unwrap();
    let (partition, config) = (open(dir.path()), config(&[("segment.bytes", "500")]));
    for n in 0..50i64 {
        let pairs: Vec<Pair> = (0..4).map(|_| (Some(&b"k"[..]), Some(&b"v"[..]))).collect();
        append(&partition, &batch((n % 5) as u8, n * 10, None, &pairs), &config).unwrap();
    }
    let at = |time| partition.offset_at(time, 1 << 20).unwrap();
    assert_eq!(at(0), Some((0, 0)));
    assert_eq!(at(12), Some((12, 6)));
    assert_eq!(at(14), Some((20, 8)));
    assert_eq!(at(493), Some((493, 199)));
    assert_eq!(at(494), None);
    assert_eq!(partition.offset_of_max_timestamp(1 << 20).unwrap(), Some((493, 199)));
}

#[test]
fn retention_takes_whole_segments_from_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let (partition, small) = (open(dir.path()), config(&[("segment.bytes", "2000")]));
    fill(&partition, &small, 200);
    partition.retain(&config(&[("retention.ms", "-1"), ("retention.bytes", "6000")]));
    let read = read_all(&partition, 1 << 20);
    assert!((60..120).contains(&read.len()), "{}", read.len());
    assert_eq!(read.last().unwrap().0, 199);
    partition.retain(&config(&[("retention.ms", "1000")]));
    assert_eq!(partition.bounds().start, 200, "all records are older than a second");
    assert_eq!(open(dir.path()).bounds().start, 200);
    assert_eq!(append(&partition, &plain(1, &[(None, Some(b"x"))]), &small), Ok(200));
}

#[test]
fn compaction_keeps_the_last_of_each_key_at_its_offset() {
    let dir = tempfile::tempdir().unwrap();
    let settings = config(&[("cleanup.policy", "compact"), ("segment.bytes", "1000"), ("delete.retention.ms", "0")]);
    let partition = open(dir.path());
    let keys: [&[u8]; 3] = [b"a", b"b", b"c"];
    for n in 0..100 {
        append(
            &partition,
            &batch((n % 5) as u8, n, None, &[(Some(keys[n as usize % 3]), Some(b"v")), (Some(b"z"), None)]),
            &settings,
        )
        .unwrap();
    }
    let before = read_all(&partition, 1 << 20);
    partition.compact_if_due(&settings, &Limits::default());
    let after = read_all(&partition, 1 << 20);
    assert!(after.len() < 60, "{} of {} stay", after.len(), before.len());
    let last = |records: &[(i64, Vec<u8>, bool)]| -> HashMap<Vec<u8>, i64> {
        records.iter().map(|(offset, key, _)| (key.clone(), *offset)).collect()
    };
    assert_eq!(last(&after), last(&before));
    assert!(after.iter().all(|record| before.contains(record)));
    assert_eq!(read_all(&open(dir.path()), 100), after, "a restart reads the same");
}

#[test]
fn tombstones_go_in_a_later_run() {
    let dir = tempfile::tempdir().unwrap();
    let settings = config(&[("cleanup.policy", "compact"), ("segment.bytes", "300"), ("delete.retention.ms", "0")]);
    let partition = open(dir.path());
    append(&partition, &plain(1, &[(Some(b"gone"), Some(b"v"))]), &settings).unwrap();
    append(&partition, &plain(2, &[(Some(b"gone"), None)]), &settings).unwrap();
    let has_tombstone = || read_all(&partition, 1 << 20).iter().any(|(_, key, tombstone)| key == b"gone" && *tombstone);
    fill(&partition, &settings, 20);
    partition.compact_if_due(&settings, &Limits::default());
    assert!(has_tombstone());
    fill(&partition, &settings, 60);
    partition.compact_if_due(&settings, &Limits::default());
    assert!(!has_tombstone());
}

#[test]
fn compaction_drops_aborted_records_and_spares_open_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let settings = config(&[("cleanup.policy", "compact"), ("segment.bytes", "200")]);
    let partition = open(dir.path());
    let send = |producer_id, sequence, key: &[u8]| {
        let from = From { producer_id, epoch: 0, sequence, transactional: true };
        append(&partition, &batch(0, 1, Some(from), &[(Some(key), Some(b"v"))]), &settings).unwrap();
    };
    append(&partition, &plain(1, &[(Some(b"kept"), Some(b"committed"))]), &settings).unwrap();
    send(1, 0, b"kept");
    partition.end_transaction(1, 0, false, &settings).unwrap();
    fill(&partition, &settings, 10);
    send(2, 0, b"open");
    fill(&partition, &settings, 10);
    partition.compact_if_due(&settings, &Limits::default());
    let read = read_all(&partition, 1 << 20);
    assert!(read.contains(&(0, b"kept".to_vec(), false)), "the aborted record did not displace the committed one");
    assert!(!read.iter().any(|(offset, key, _)| *offset == 1 && key == b"kept"));
    assert!(read.iter().any(|(_, key, _)| key == b"open"));
    assert_eq!(partition.open_transactions(), [(2, 0)]);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    // A directory in place of the next segment makes rolling fail as a full disk would.
    let dir = tempfile::tempdir().unwrap();
    let (partition, config) = (open(dir.path()), config(&[("segment.bytes", "200")]));
    fill(&partition, &config, 2);
    let next = partition.bounds().next;
    let blocked = super::segment::log_path(dir.path(), next);
    std::fs::create_dir(&blocked).unwrap();
    let big = plain(1, &[(Some(b"k"), Some(&[0; 150]))]);
    assert_eq!(append(&partition, &big, &config), Err(ResponseError::KafkaStorageError));
    assert_eq!(partition.bounds().next, next);
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(append(&partition, &big, &config), Ok(next));
}

#[test]
fn a_new_producers_next_batch_does_not_pass_its_first_that_was_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let (partition, config) = (open(dir.path()), config(&[("segment.bytes", "300")]));
    fill(&partition, &config, 2);
    let next = partition.bounds().next;
    let send = |sequence, value: &[u8]| {
        let from = From { producer_id: 9, epoch: 0, sequence, transactional: false };
        append(&partition, &batch(0, 1, Some(from), &[(Some(b"k"), Some(value))]), &config)
    };
    // The next segment cannot be made, and there is room for a small batch in this one.
    let blocked = super::segment::log_path(dir.path(), next);
    std::fs::create_dir(&blocked).unwrap();
    assert_eq!(send(0, &[0; 200]), Err(ResponseError::KafkaStorageError));
    assert_eq!(send(1, b"small"), Err(ResponseError::OutOfOrderSequenceNumber), "it comes again, behind the first");
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(send(0, &[0; 200]), Ok(next), "it is no repeat of what is not there");
    assert_eq!(send(1, b"small"), Ok(next + 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_history_reads_back_after_any_restart(
        sizes in proptest::collection::vec((1usize..20, 0usize..300, 0u8..5), 1..60),
        segment_bytes in 200u64..5_000,
        cut in 0u64..400,
        restarts in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&[("segment.bytes", &segment_bytes.to_string())]);
        let mut partition = open(dir.path());
        let mut total = 0;
        for (at, (count, bytes, codec)) in sizes.iter().enumerate() {
            let value = vec![b'x'; *bytes];
            let pairs: Vec<Pair> = (0..*count).map(|_| (Some(&b"k"[..]), Some(&value[..]))).collect();
            prop_assert_eq!(append(&partition, &batch(*codec, at as i64, None, &pairs), &config), Ok(total));
            total += *count as i64;
            if restarts[at] {
                partition = open_in_boot(dir.path(), if at % 3 == 0 { "other" } else { "boot" });
            }
        }
        prop_assert_eq!(read_all(&partition, 700).len() as i64, total);
        // A tail torn anywhere leaves a prefix of whole batches.
        drop(partition);
        let mut logs: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        let file = std::fs::File::options().write(true).open(logs.last().unwrap()).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(cut)).unwrap();
        let partition = open_in_boot(dir.path(), "third");
        let read = read_all(&partition, 1 << 20);
        prop_assert_eq!(read.len() as i64, partition.bounds().next);
        prop_assert!(read.iter().enumerate().all(|(n, (offset, _, _))| *offset == n as i64));
    }
}
