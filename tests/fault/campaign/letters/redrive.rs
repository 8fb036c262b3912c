//! What is asked for in a round: drawn, as faults are.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// In so many of the rounds something is asked for.
const SHARE: f64 = 0.4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All, with a patch that mends what can be mended.
    All,
    /// Those that the table refused, with the patch: the index says which they are.
    Refused,
    /// Some by their positions, with the patch.
    Some,
    /// Those that cannot be read are discarded.
    Discard,
}

#[derive(Debug, Clone)]
pub struct Redrive {
    pub what: What,
    /// Since the round began.
    pub at: Duration,
    /// How long it takes by its rate, about; none: as fast as it goes.
    pub lasts: Option<Duration>,
    /// So much later it is cancelled.
    pub cancel: Option<Duration>,
}

impl std::fmt::Display for Redrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {:?} redrive {:?}", self.at, self.what)?;
        self.lasts.iter().try_for_each(|d| write!(f, " over {d:?}"))?;
        self.cancel.iter().try_for_each(|d| write!(f, ", cancelled after {d:?}"))
    }
}

/// Takes as much from the generator whatever comes of it.
pub fn draw(rng: &mut StdRng) -> Option<Redrive> {
    let mut millis = |range| Duration::from_millis(rng.random_range(range));
    let (at, lasts, cancel) = (millis(0..300), millis(200..1_200), millis(0..200));
    let asked = rng.random_bool(SHARE);
    let (slow, cancelled) = (rng.random_bool(0.5), rng.random_bool(0.35));
    let what = match rng.random_range(0..10) {
        0..5 => What::All,
        5..7 => What::Refused,
        7..9 => What::Some,
        _ => What::Discard,
    };
    // One that goes at once has ended before it is cancelled.
    let lasts = (slow || cancelled).then_some(lasts);
    asked.then_some(Redrive { what, at, lasts, cancel: cancelled.then_some(cancel) })
}
