use std::collections::BTreeMap;

use millrace_record::{Batch, Flushed, LateFailure, RecordFailure, TopicOffset, TopicPartition};

use super::*;

/// What all instances of a sink have seen.
#[derive(Default)]
struct Seen {
    /// Offsets put, in order, by partition.
    put: BTreeMap<i32, Vec<i64>>,
    opened: usize,
    closed: usize,
    started: usize,
    puts: usize,
    /// The records of the largest put.
    largest: usize,
}

/// How a sink behaves.
#[derive(Default, Clone)]
struct Behaviour {
    /// Its own offset of each partition.
    own: Option<i64>,
    /// The first put takes so long.
    slow: Duration,
    /// So many puts fail first.
    fail: usize,
    /// Fails for as long as it is the task that has all partitions.
    fail_until_shared: bool,
    /// The offset that is found bad at the flush.
    late: Option<i64>,
    /// An offset that fails so many times in a put, and may pass another time.
    again: Option<(i64, usize)>,
    /// Offsets with which a put fails as a whole.
    poison: Vec<i64>,
    /// Every put takes so long.
    each: Duration,
    /// So many starts fail first.
    starts: usize,
}

struct TestSink {
    seen: Arc<Mutex<Seen>>,
    how: Behaviour,
}

#[async_trait]
impl SinkTask for TestSink {
    async fn start(&mut self) -> Result<(), TaskError> {
        let mut seen = self.seen.lock();
        seen.started += 1;
        if seen.started <= self.how.starts {
            return Err(TaskError::retriable("test.away", "the destination is away"));
        }
        Ok(())
    }
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>, TaskError> {
        self.seen.lock().opened += partitions.len();
        let own = |offset| {
            let at = |p: &TopicPartition| TopicOffset { topic: p.topic.clone(), partition: p.partition, offset };
            partitions.iter().map(at).collect()
        };
        Ok(self.how.own.map(own).unwrap_or_default())
    }
    async fn put(&mut self, records: &Batch) -> Result<Vec<RecordFailure>, TaskError> {
        let n = {
            let mut seen = self.seen.lock();
            seen.puts += 1;
            seen.largest = seen.largest.max(records.len());
            seen.puts
        };
        if n == 1 {
            tokio::time::sleep(self.how.slow).await;
        }
        tokio::time::sleep(self.how.each).await;
        if n <= self.how.fail || (self.how.fail_until_shared && self.seen.lock().closed == 0) {
            return Err(TaskError::retriable("test.away", "the destination is away"));
        }
        if records.view().iter().any(|r| r.offset().is_some_and(|o| self.how.poison.contains(&o))) {
            return Err(TaskError::fatal("test.poison", "one of them is poison"));
        }
        let mut seen = self.seen.lock();
        let mut failures = Vec::new();
        for (row, r) in (0..).zip(records.view().iter()) {
            let (partition, offset) = (r.partition().expect("consumed"), r.offset().expect("consumed"));
            if let Some((_, left)) = self.how.again.as_mut().filter(|(at, left)| *at == offset && *left > 0) {
                *left -= 1;
                let (code, message) = ("test.busy".into(), "busy".into());
                failures.push(RecordFailure { row, retriable: true, code, message });
                continue;
            }
            seen.put.entry(partition).or_default().push(offset);
        }
        Ok(failures)
    }
    async fn flush(&mut self, upto: &[TopicOffset]) -> Result<Flushed, TaskError> {
        let failed = upto.iter().zip(self.how.late).filter(|(u, late)| u.offset > *late).map(|(u, late)| LateFailure {
            topic: u.topic.clone(),
            partition: u.partition,
            offset: late,
            retriable: false,
            code: "test.late".into(),
            message: "found bad late".into(),
        });
        let failures = failed.collect();
        self.how.late = None;
        Ok(Flushed { offsets: upto.to_vec(), failures })
    }
    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        self.seen.lock().closed += partitions.len();
        Ok(())
    }
    async fn stop(&mut self) {}
}

fn sink(how: Behaviour) -> (Arc<dyn Plugin>, Arc<Mutex<Seen>>) {
    let seen = Arc::<Mutex<Seen>>::default();
    let of = seen.clone();
    (Native::sink(move || TestSink { seen: of.clone(), how: how.clone() }), seen)
}

fn count(seen: &Mutex<Seen>) -> usize {
    seen.lock().put.values().map(Vec::len).sum()
}

fn all(n: i64) -> Vec<i64> {
    (0..n).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_with_offsets_of_its_own_sees_nothing_before_them() {
    let rig = Rig::start(1).await;
    rig.produce(0..1000, 1);
    let (plugin, seen) = sink(Behaviour { own: Some(700), ..Behaviour::default() });
    let task = rig.task(&plugin, 0, &[]);
    until("all are put", || count(&seen) >= 300, || format!("{}", count(&seen))).await;
    assert_eq!(seen.lock().put[&0], (700..1000).collect::<Vec<_>>());
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_a_sink_with_offsets_of_its_own_is_a_dead_letter_before_it_is_given_more() {
    let rig = Rig::start(1).await;
    rig.produce(0..1, 1);
    rig.produce_text("no JSON");
    rig.produce(1..2, 1);
    let (plugin, seen) = sink(Behaviour { own: Some(0), slow: Duration::from_secs(3), ..Behaviour::default() });
    let config = [
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dlq"),
    ];
    let task = rig.task(&plugin, 0, &config);
    let c = task.counters().clone();
    until("it is a dead letter", || c.dead_lettered.get() == 1, || format!("{:?}", rig.states(0))).await;
    assert_eq!(count(&seen), 0, "its put has moved the offsets past what was no dead letter yet");
    until("the others are put", || count(&seen) == 2, || format!("{:?}", rig.states(0))).await;
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sink_stays_in_its_group() {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, seen) = sink(Behaviour { slow: Duration::from_secs(9), ..Behaviour::default() });
    let short = [("consumer.override.session.timeout.ms", "6000"), ("consumer.override.heartbeat.interval.ms", "500")];
    let task = rig.task(&plugin, 0, &short);
    until("the slow put begins", || seen.lock().puts == 1, String::new).await;
    rig.produce(10..20, 1);
    until("all are put", || count(&seen) >= 20, || format!("{}", count(&seen))).await;
    {
        let seen = seen.lock();
        assert_eq!((&seen.put[&0], seen.opened, seen.closed, seen.started), (&all(20), 1, 0, 1));
    }
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_for_a_while_keeps_its_place() {
    let rig = Rig::start(1).await;
    rig.produce(0..100, 1);
    let (plugin, seen) = sink(Behaviour { fail: 7, ..Behaviour::default() });
    let task = rig.task(&plugin, 0, &[("retry.backoff.ms", "20"), ("retry.backoff.max.ms", "50")]);
    until("all are put", || count(&seen) >= 100, || format!("{}", count(&seen))).await;
    {
        let seen = seen.lock();
        assert_eq!((&seen.put[&0], seen.opened, seen.closed, seen.started), (&all(100), 1, 0, 1));
    }
    until("it runs again", || rig.states(0).last() == Some(&TaskState::Running), || format!("{:?}", rig.states(0))).await;
    let states = rig.states(0);
    let failed = states.iter().find_map(|s| if let TaskState::Failed { trace } = s { Some(trace.as_str()) } else { None });
    assert!(failed.is_some_and(|t| t.contains("the destination is away") && t.contains("tries again")), "{states:?}");
    let c = task.counters();
    assert_eq!((c.sink_unaccounted(), c.failures.get(), c.retries.get(), c.errors.get()), (0, 7, 7, 0));
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_doubles_nothing() {
    let rig = Rig::start(4).await;
    rig.produce(0..400, 4);
    let (plugin, seen) = sink(Behaviour::default());
    // Nothing is flushed but by the rebalance and at the end.
    let config = [("offset.flush.interval.ms", "3600000")];
    let first = rig.task(&plugin, 0, &config);
    until("the first puts all", || count(&seen) >= 400, || format!("{}", count(&seen))).await;
    let second = rig.task(&plugin, 1, &config);
    until("partitions move", || seen.lock().closed >= 2, String::new).await;
    rig.produce(400..800, 4);
    until("all are put", || count(&seen) >= 800, || format!("{}", count(&seen))).await;
    rig.produce(800..804, 4);
    until("the last are put", || count(&seen) >= 804, || format!("{}", count(&seen))).await;
    for (partition, offsets) in &seen.lock().put {
        assert_eq!(offsets, &all(201), "partition {partition}");
    }
    rig.stop(vec![first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_given_up_while_a_put_is_tried_again() {
    let rig = Rig::start(2).await;
    rig.produce(0..20, 2);
    let (plugin, seen) = sink(Behaviour { fail_until_shared: true, ..Behaviour::default() });
    let config = [("retry.backoff.ms", "60000"), ("retry.backoff.max.ms", "60000")];
    let first = rig.task(&plugin, 0, &config);
    until("the first fails", || seen.lock().puts >= 1, String::new).await;
    let second = rig.task(&plugin, 1, &config);
    until("all are put", || count(&seen) >= 20, || format!("{}", count(&seen))).await;
    for (partition, offsets) in &seen.lock().put {
        assert_eq!(offsets, &all(10), "partition {partition}");
    }
    rig.stop(vec![first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_found_bad_at_the_flush_goes_to_the_dead_letters() {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, _) = sink(Behaviour { late: Some(4), ..Behaviour::default() });
    let config = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dlq"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    let task = rig.task(&plugin, 0, &config);
    let counters = task.counters().clone();
    until("one is there", || counters.dead_lettered.get() == 1, || format!("{:?}", rig.states(0))).await;
    let found = rig.read("dlq");
    assert_eq!(found.iter().map(|m| m.payload()).collect::<Vec<_>>(), [Some(&b"4"[..])]);
    until("it is counted", || counters.late.get() == 1, String::new).await;
    assert_eq!((counters.consumed.get(), counters.put.get(), counters.sink_unaccounted()), (10, 10, 0));
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_failure_that_is_not_tolerated_fails_the_task() {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, _) = sink(Behaviour { late: Some(4), ..Behaviour::default() });
    let task = rig.task(&plugin, 0, &[]);
    let failed = || rig.states(0).iter().any(|s| matches!(s, TaskState::Failed { trace } if trace.contains("t-0@4")));
    until("it fails", failed, || format!("{:?}", rig.states(0))).await;
    assert_eq!(task.counters().commits.get(), 0, "no offset has moved");
    rig.stop(vec![task]).await;
}

/// What becomes of a record that is refused `times`, with `timeout` and without: put, dead letters, failed tries, retries.
async fn refused(times: usize, config: &[(&str, &str)]) -> (usize, u64, u64, u64) {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, seen) = sink(Behaviour { again: Some((4, times)), ..Behaviour::default() });
    let all = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dlq"), ("retry.backoff.ms", "10")];
    let task = rig.task(&plugin, 0, &[&all[..], config].concat());
    let c = task.counters().clone();
    until("all have left", || c.consumed.get() == 10, || format!("{:?}", rig.states(0))).await;
    let found = rig.read("dlq");
    assert_eq!((found.len() as u64, c.sink_unaccounted(), c.errors.get()), (c.dead_lettered.get(), 0, c.dead_lettered.get()));
    rig.stop(vec![task]).await;
    (count(&seen), c.dead_lettered.get(), c.failures.get(), c.retries.get())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_may_pass_is_tried_as_long_as_is_set() {
    assert_eq!(refused(3, &[]).await, (10, 0, 3, 3), "unset it has five attempts");
    assert_eq!(refused(99, &[]).await, (9, 1, 5, 4), "and no more");
    assert_eq!(refused(1, &[("errors.retry.timeout", "0")]).await, (9, 1, 1, 0));
    let forever = [("errors.retry.timeout", "-1"), ("errors.retry.delay.max.ms", "1")];
    assert_eq!(refused(20, &forever).await, (10, 0, 20, 20));
    let soon = [("errors.retry.timeout", "50"), ("errors.retry.delay.max.ms", "10")];
    let (put, dead, failures, retries) = refused(9_999, &soon).await;
    assert!((put, dead) == (9, 1) && retries > 1 && failures == retries + 1, "{failures} failures, {retries} retries");
}

/// What becomes of 2,000 records of which these are poison: offsets put, dead letters, puts, and the status.
async fn poisoned(poison: &[i64], tolerance: &str) -> (Vec<i64>, Vec<i64>, usize, Vec<TaskState>) {
    let rig = Rig::start(1).await;
    rig.produce(0..2000, 1);
    let (plugin, seen) = sink(Behaviour { poison: poison.to_vec(), ..Behaviour::default() });
    let config = [
        ("errors.tolerance", tolerance),
        ("errors.deadletterqueue.topic.name", "dlq"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
        ("task.restart.fatal.max.attempts", "0"),
    ];
    let task = rig.task(&plugin, 0, &config);
    let c = task.counters().clone();
    let failed = || rig.states(0).iter().any(|s| matches!(s, TaskState::Failed { .. }));
    until("all have left, or it fails", || c.consumed.get() == 2000 || failed(), || format!("{:?}", rig.states(0))).await;
    let (put, puts, largest) = {
        let seen = seen.lock();
        (seen.put.get(&0).cloned().unwrap_or_default(), seen.puts, seen.largest)
    };
    assert_eq!((largest, c.sink_unaccounted()), (2000, 0), "it is one batch");
    let number = |m: &OwnedMessage| String::from_utf8_lossy(m.payload().expect("a value")).parse().expect("a number");
    let (letters, states) = (rig.read("dlq").iter().map(number).collect(), rig.states(0));
    rig.stop(vec![task]).await;
    (put, letters, puts, states)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poison_record_costs_itself_and_few_calls() {
    for poison in [0, 1, 999, 1000, 1234, 1999] {
        let (put, letters, puts, _) = poisoned(&[poison], "all").await;
        println!("1 of 2,000 records is poison, at {poison}: {} put, {puts} calls", put.len());
        let others: Vec<i64> = all(2000).into_iter().filter(|o| *o != poison).collect();
        assert!(put == others, "all others are put once, in order");
        assert_eq!(letters, [poison]);
        // The whole, 11 halves, the record alone, and the rest behind it.
        assert!(puts <= 14, "{puts} calls for {poison}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_poison_records_are_told_from_the_others() {
    let poison = [3, 4, 500, 1500, 1501, 1502, 1999];
    let (put, letters, puts, _) = poisoned(&poison, "all").await;
    let others: Vec<i64> = all(2000).into_iter().filter(|o| !poison.contains(o)).collect();
    assert!(put == others && letters == poison, "{letters:?}");
    assert!(puts <= 2 + 2 * 12 * poison.len(), "{puts} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_takes_nothing_is_at_fault_itself() {
    let (put, letters, puts, states) = poisoned(&all(2000), "all").await;
    assert!(put.is_empty() && letters.is_empty() && puts < 1_000, "{puts} calls, {letters:?}");
    let said = |part: &str| matches!(states.last(), Some(TaskState::Failed { trace }) if trace.contains(part));
    assert!(said("the sink has taken none yet") && said("t-0@0 to t-0@1999, 2000 in all"), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tolerance_a_put_is_not_taken_apart() {
    let (put, letters, puts, states) = poisoned(&[1234], "none").await;
    assert!(put.is_empty() && letters.is_empty() && puts == 1, "{puts} calls, {letters:?}");
    let said = |part: &str| matches!(states.last(), Some(TaskState::Failed { trace }) if trace.contains(part));
    assert!(said("one of them is poison") && said("t-0@0 to t-0@1999, 2000 in all"), "{states:?}");
}

/// Waits until the task is FAILED for good; its trace.
async fn given_up(rig: &Rig) -> String {
    let last = || match rig.states(0).last() {
        Some(TaskState::Failed { trace }) if !trace.contains("tries again by itself") => Some(trace.clone()),
        _ => None,
    };
    until("it is given up", || last().is_some(), || format!("{:?}", rig.states(0))).await;
    last().expect("it stays so")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_fails_for_good_is_started_again_a_few_times() {
    for (limit, started) in [("2", 3), ("0", 1)] {
        let rig = Rig::start(1).await;
        rig.produce(0..10, 1);
        let (plugin, seen) = sink(Behaviour { poison: vec![4], ..Behaviour::default() });
        let config = [("retry.backoff.ms", "10"), ("task.restart.fatal.max.attempts", limit)];
        let task = rig.task(&plugin, 0, &config);
        let trace = given_up(&rig).await;
        assert_eq!(seen.lock().started, started);
        let said = trace.contains("started again 2 times, as \"task.restart.fatal.max.attempts\" says");
        assert!(trace.contains("is poison") && said == (limit == "2"), "{trace}");
        let waits = rig
            .states(0)
            .iter()
            .filter(|s| matches!(s, TaskState::Failed { trace } if trace.contains("1 more after that")))
            .count();
        assert_eq!(waits, usize::from(limit == "2"), "{:?}", rig.states(0));
        rig.stop(vec![task]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_setting_decides_is_not_tried_again() {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, seen) = sink(Behaviour { late: Some(4), ..Behaviour::default() });
    let task = rig.task(&plugin, 0, &[("retry.backoff.ms", "10")]);
    let trace = given_up(&rig).await;
    assert!(trace.contains("Tolerance exceeded") && seen.lock().started == 1, "{trace}");
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_stays_away_is_given_up_where_there_is_a_limit() {
    let rig = Rig::start(1).await;
    rig.produce(0..10, 1);
    let (plugin, seen) = sink(Behaviour { fail: usize::MAX, ..Behaviour::default() });
    let config = [
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "20"),
        ("retry.max.attempts", "2"),
        ("task.restart.max.attempts", "3"),
    ];
    let task = rig.task(&plugin, 0, &config);
    let trace = given_up(&rig).await;
    assert!(trace.contains("the destination is away") && trace.contains("\"task.restart.max.attempts\""), "{trace}");
    {
        let seen = seen.lock();
        assert_eq!((seen.puts, seen.started), (5, 1), "one try, one again, and three as restarts on the same instance");
    }
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_too_slow_lags_until_it_has_caught_up() {
    let rig = Rig::start(1).await;
    rig.produce(0..1000, 1);
    let (plugin, seen) = sink(Behaviour { each: Duration::from_millis(50), ..Behaviour::default() });
    let config = [("batch.max.records", "100"), ("task.stuck.after.ms", "2000"), ("offset.flush.interval.ms", "50")];
    let task = rig.task(&plugin, 0, &config);
    let (health, start) = (|| task.counters().pulse.health(), Instant::now());
    let mut made = 1000;
    while health().condition != Condition::Lagging {
        // More than it takes.
        rig.produce(made..made + 2000, 1);
        made += 2000;
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(start.elapsed() < SOON, "{:?} with {made}", health());
    }
    assert!(health().cause.is_some_and(|c| c.contains("records wait in the log")));
    until("all are put", || count(&seen) == made, || format!("{} of {made}", count(&seen))).await;
    until("it is well", || health().condition == Condition::Ok, || format!("{:?}", health())).await;
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_came_back_with_nothing_to_do_is_well() {
    let rig = Rig::start(1).await;
    let (plugin, _) = sink(Behaviour { starts: 2, ..Behaviour::default() });
    let task = rig.task(&plugin, 0, &[("retry.backoff.ms", "300"), ("task.stuck.after.ms", "500")]);
    let health = || task.counters().pulse.health();
    until("it is tried again", || health().condition == Condition::Retrying, || format!("{:?}", health())).await;
    assert!(health().cause.is_some_and(|c| c.contains("failed in start: the destination is away")));
    until("it runs", || rig.states(0).last() == Some(&TaskState::Running), || format!("{:?}", rig.states(0))).await;
    assert_eq!(health().condition, Condition::Ok);
    rig.stop(vec![task]).await;
}
