//! What breaks, and when: drawn from a seed, so that a round can be had again.

use std::time::Duration;

use millrace_tests::{Trouble, Way};
use rand::Rng;
use rand::rngs::StdRng;

/// Who is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Worker,
    Kafka,
    Source,
    Target,
}

/// Connections of the worker's: to whom.
pub type Link = Whom;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Which {
    All,
    /// The one that has sent most.
    Busiest,
    /// Those whose client says this of itself: an id, or the name of an application.
    Of(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// SIGKILL, of all processes of a server; started again after the while.
    Kill(Whom),
    /// SIGTERM of the worker, started again at once.
    Restart,
    /// SIGSTOP, and SIGCONT after the while.
    Freeze(Whom),
    /// A proxy's trouble, over after the while.
    Net { link: Link, trouble: Trouble, which: Which },
    /// The disk of the embedded log, or of the target: full for a while.
    DiskFull(Whom),
    /// The worker's clock is set, by so many seconds.
    Clock(i64),
    /// The sinks get another number of tasks.
    Rebalance,
    /// Connectors are restarted over REST.
    RestartConnector,
    /// The worker is killed, and meanwhile the tables of the sink with offsets of its own go back to an old backup, offsets
    /// and all.
    Restore,
}

impl Fault {
    /// The line of the table that it is counted in.
    pub fn kind(&self) -> String {
        match self {
            Fault::Kill(Whom::Worker) => "kill -9 worker".into(),
            Fault::Kill(whom) => format!("kill -9 {}", name(*whom)),
            Fault::Restart => "SIGTERM worker".into(),
            Fault::Freeze(whom) => format!("SIGSTOP {}", name(*whom)),
            Fault::Net { link, trouble, .. } => format!("{} {}", trouble_name(trouble), name(*link)),
            Fault::DiskFull(Whom::Target) => "disk full, target".into(),
            Fault::DiskFull(_) => "disk full, embedded log".into(),
            Fault::Clock(seconds) if *seconds < 0 => "clock back".into(),
            Fault::Clock(_) => "clock ahead".into(),
            Fault::Rebalance => "rebalance".into(),
            Fault::RestartConnector => "restart over REST".into(),
            Fault::Restore => "target restored".into(),
        }
    }
}

fn name(whom: Whom) -> &'static str {
    match whom {
        Whom::Worker => "worker",
        Whom::Kafka => "Kafka",
        Whom::Source => "source PostgreSQL",
        Whom::Target => "target PostgreSQL",
    }
}

fn trouble_name(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::None => "nothing,",
        Trouble::Cut { .. } => "connections cut,",
        Trouble::Delay(_) => "delay,",
        Trouble::Drip => "byte by byte,",
        Trouble::Silence(Some(_)) => "half-open,",
        Trouble::Silence(None) => "silence,",
        Trouble::Away => "unreachable,",
    }
}

/// A fault at its moment.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Since the round began.
    pub at: Duration,
    pub fault: Fault,
    /// How long it lasts.
    pub lasts: Duration,
}

impl std::fmt::Display for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {:?} {:?} for {:?}", self.at, self.fault, self.lasts)
    }
}

/// What there is to break on a stage.
#[derive(Debug, Clone, Copy)]
pub struct Breakable {
    pub kafka: bool,
    pub clock: bool,
    pub log_disk: bool,
    pub target_disk: bool,
}

/// How often is drawn for a fault of a kind that is asked for; a stage may have none.
const DRAWS_MAX: usize = 1_000;

/// One or two faults of a round; two may overlap. `kind`: of those that [`Fault::kind`] names so, if there are.
pub fn plan(rng: &mut StdRng, can: Breakable, kind: Option<&str>) -> Vec<Planned> {
    let n = if rng.random_bool(0.35) { 2 } else { 1 };
    let fits = |p: &Planned| kind.is_none_or(|k| p.fault.kind().contains(k));
    let mut drawn = || {
        let first = one(rng, can);
        if fits(&first) { first } else { (0..DRAWS_MAX).map(|_| one(rng, can)).find(fits).unwrap_or(first) }
    };
    let mut all: Vec<_> = (0..n).map(|_| drawn()).collect();
    all.sort_by_key(|p| p.at);
    all
}

fn millis(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

fn one(rng: &mut StdRng, can: Breakable) -> Planned {
    let at = millis(rng, 20..500);
    // Now and then longer than a session of the consumer group may be silent.
    let long = rng.random_bool(0.08);
    let short = if long { millis(rng, 1_600..2_600) } else { millis(rng, 20..450) };
    let (fault, lasts) = loop {
        break match rng.random_range(0..100) {
            0..24 => (Fault::Kill(Whom::Worker), millis(rng, 0..150)),
            24..28 => (Fault::Restart, Duration::ZERO),
            28..34 => (Fault::Freeze(Whom::Worker), short),
            34..37 if can.kafka => (Fault::Kill(Whom::Kafka), millis(rng, 0..300)),
            37..41 if can.kafka => (Fault::Freeze(Whom::Kafka), short),
            41..46 => (Fault::Kill(Whom::Source), millis(rng, 0..300)),
            46..51 => (Fault::Kill(Whom::Target), millis(rng, 0..300)),
            51..54 => (Fault::Freeze(Whom::Source), short),
            54..58 => (Fault::Freeze(Whom::Target), short),
            58..82 => {
                let link = match rng.random_range(0..3) {
                    0 if can.kafka => Whom::Kafka,
                    1 => Whom::Source,
                    _ => Whom::Target,
                };
                let which = if rng.random_bool(0.3) { Which::Busiest } else { Which::All };
                (Fault::Net { link, trouble: trouble(rng), which }, short)
            }
            82..86 if can.log_disk => (Fault::DiskFull(Whom::Kafka), short),
            86..88 if can.target_disk => (Fault::DiskFull(Whom::Target), short),
            88..93 if can.clock => (Fault::Clock(jump(rng, can.kafka)), Duration::ZERO),
            93..97 => (Fault::Rebalance, Duration::ZERO),
            97..99 => (Fault::RestartConnector, Duration::ZERO),
            99 => (Fault::Restore, millis(rng, 0..150)),
            _ => continue,
        };
    };
    Planned { at, fault, lasts }
}

fn trouble(rng: &mut StdRng) -> Trouble {
    let way = if rng.random_bool(0.5) { Way::There } else { Way::Back };
    match rng.random_range(0..10) {
        0..4 => {
            let most = [40, 400, 4_000, 60_000][rng.random_range(0..4)];
            Trouble::Cut { way, after: rng.random_range(0..most) }
        }
        4..6 => Trouble::Delay(millis(rng, 1..60)),
        6 => Trouble::Drip,
        7 => Trouble::Silence(Some(way)),
        8 => Trouble::Silence(None),
        _ => Trouble::Away,
    }
}

/// How far a clock is set back. librdkafka waits until a time of day: until the clock has caught up, some of its waits last.
const BACK_MAX: i64 = 20;

/// A clock is set ahead by minutes, hours or a day, or back by seconds. Beside a Kafka whose own clock is right it goes ahead
/// by minutes alone: records from more than an hour ahead are refused.
fn jump(rng: &mut StdRng, kafka: bool) -> i64 {
    if rng.random_bool(0.4) {
        return -rng.random_range(1..=BACK_MAX);
    }
    let most = if kafka { 300 } else { [600, 3_600, 86_400][rng.random_range(0..3)] };
    rng.random_range(60..=most)
}
