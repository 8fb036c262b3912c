//! Averages, extremes and rates over the last while, as Kafka's `SampledStat` has them: two windows of 30 s, a third one kept
//! for what overlaps their beginning.

/// One window.
const WINDOW_MS: u64 = 30_000;
/// How many windows a value is taken over.
const WINDOWS: u64 = 2;
/// The windows that are kept.
const KEPT: usize = WINDOWS as usize + 1;

/// What was recorded within one window.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    begun_ms: u64,
    last_ms: u64,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Sample {
    fn new(now_ms: u64) -> Self {
        Sample { begun_ms: now_ms, last_ms: now_ms, count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

/// Values over time. Every call is told the time, in milliseconds since whatever moment its owner chose.
#[derive(Debug, Clone, Default)]
pub struct Sampled {
    kept: [Sample; KEPT],
    /// How many of `kept` are in use.
    len: u8,
    current: u8,
}

impl Sampled {
    pub fn record(&mut self, now_ms: u64, value: f64) {
        if self.len == 0 {
            self.kept[0] = Sample::new(now_ms);
            self.len = 1;
        }
        if now_ms.saturating_sub(self.kept[self.current as usize].begun_ms) >= WINDOW_MS {
            self.current = (self.current + 1) % KEPT as u8;
            self.len = self.len.max(self.current + 1);
            self.kept[self.current as usize] = Sample::new(now_ms);
        }
        let sample = &mut self.kept[self.current as usize];
        sample.last_ms = now_ms;
        sample.count += 1;
        sample.sum += value;
        sample.min = sample.min.min(value);
        sample.max = sample.max.max(value);
    }

    /// NaN: nothing was recorded lately.
    pub fn avg(&self, now_ms: u64) -> f64 {
        let (sum, count) = self.recent(now_ms).fold((0.0, 0), |(sum, count), s| (sum + s.sum, count + s.count));
        if count == 0 { f64::NAN } else { sum / count as f64 }
    }

    /// NaN: nothing was recorded lately.
    pub fn min(&self, now_ms: u64) -> f64 {
        let recent = self.recent(now_ms).filter(|s| s.count > 0);
        recent.map(|s| s.min).fold(f64::NAN, f64::min)
    }

    /// NaN: nothing was recorded lately.
    pub fn max(&self, now_ms: u64) -> f64 {
        let recent = self.recent(now_ms).filter(|s| s.count > 0);
        recent.map(|s| s.max).fold(f64::NAN, f64::max)
    }

    /// The sum of what was recorded, by the second. Of a window that never was it counts as if it had been empty, so that
    /// the first second does not look like the busiest.
    pub fn rate(&self, now_ms: u64) -> f64 {
        // Not `sum`, which makes a negative zero of nothing.
        let sum = self.recent(now_ms).fold(0.0, |sum, s| sum + s.sum);
        let mut elapsed =
            now_ms - self.kept().map(|s| if stale(s, now_ms) { now_ms } else { s.begun_ms }).min().unwrap_or(now_ms);
        elapsed += (WINDOWS - 1).saturating_sub(elapsed / WINDOW_MS) * WINDOW_MS;
        sum * 1000.0 / elapsed as f64
    }

    fn kept(&self) -> impl Iterator<Item = &Sample> {
        self.kept[..self.len as usize].iter()
    }

    fn recent(&self, now_ms: u64) -> impl Iterator<Item = &Sample> {
        self.kept().filter(move |s| !stale(s, now_ms))
    }
}

/// Nothing in it is of the last windows.
fn stale(sample: &Sample, now_ms: u64) -> bool {
    now_ms.saturating_sub(sample.last_ms) >= WINDOWS * WINDOW_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got}, not {expected}");
    }

    #[test]
    fn nothing_is_no_number_and_no_rate() {
        let s = Sampled::default();
        assert!(s.avg(5).is_nan() && s.max(5).is_nan());
        near(s.rate(5), 0.0);
    }

    #[test]
    fn the_first_windows_rate_counts_the_window_that_never_was() {
        let mut s = Sampled::default();
        s.record(1_000, 1_000.0);
        near(s.rate(13_000), 1_000.0 / 42.0);
        near(s.rate(41_000), 1_000.0 / 40.0);
    }

    #[test]
    fn old_windows_are_forgotten() {
        let mut s = Sampled::default();
        s.record(0, 8.0);
        s.record(31_000, 2.0);
        s.record(62_000, 5.0);
        // The first window's last event is 62 s old, the second's 31 s.
        near(s.avg(62_000), 3.5);
        near(s.max(62_000), 5.0);
        near(s.rate(62_000), 7.0 / 31.0);
        assert!(s.avg(200_000).is_nan() && s.max(200_000).is_nan());
        near(s.rate(200_000), 0.0);
    }

    #[test]
    fn a_window_in_use_again_starts_anew() {
        let mut s = Sampled::default();
        for at in 0..7 {
            s.record(at * 30_000, at as f64);
        }
        near(s.max(180_000), 6.0);
        near(s.avg(180_000), 5.5);
    }
}
