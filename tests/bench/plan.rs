//! What to measure and for how long: the command line.

use std::time::Duration;

pub const USAGE: &str =
    "bench [--quick] [--seconds N] [--runs N] [--sides TEXT] [--set KEY=VALUE] [drain|once|transform|latency|sink|registry ...]
  --quick       5 seconds a side, once, to develop with; the default is 30 seconds a side, three times
  --seconds N   seconds a side
  --runs N      how often, the sides taking turns
  --sides TEXT  only the sides whose name contains TEXT, such as \"Millrace\" (nothing of the others is started)
  dlq [--records N]  alone, with nothing else: a dead letter queue of N records, 10,000,000 unless said otherwise
  --set K=V     a setting for Millrace's connectors, to try it: figures with it are not the defaults";

/// The parts, in the order in which they run: the first four share one loaded table.
pub const PARTS: &[&str] = &["drain", "once", "transform", "sink", "latency", "registry"];

/// Records of the dead letter queue.
const DEAD_LETTERS: u64 = 10_000_000;

pub struct Plan {
    pub parts: Vec<&'static str>,
    pub seconds: u64,
    pub runs: usize,
    sides: String,
    /// Measure a dead letter queue of so many records, and nothing else.
    pub dead_letters: Option<u64>,
    /// For Millrace's connectors alone.
    pub set: Vec<(String, String)>,
}

impl Plan {
    pub fn parse(arguments: impl Iterator<Item = String>) -> anyhow::Result<Plan> {
        let mut plan =
            Plan { parts: Vec::new(), seconds: 30, runs: 3, sides: String::new(), dead_letters: None, set: Vec::new() };
        let mut records = DEAD_LETTERS;
        let mut arguments = arguments.peekable();
        while let Some(a) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| anyhow::anyhow!("{a} wants a value\n{USAGE}"));
            match a.as_str() {
                "--quick" => (plan.seconds, plan.runs) = (5, 1),
                "--seconds" => plan.seconds = number(&a, &value()?)?,
                "--runs" => plan.runs = number(&a, &value()?)? as usize,
                "--set" => {
                    let pair = value()?;
                    let (k, v) = pair.split_once('=').ok_or_else(|| anyhow::anyhow!("--set wants KEY=VALUE, not \"{pair}\""))?;
                    plan.set.push((k.to_owned(), v.to_owned()));
                }
                "--sides" => plan.sides = value()?,
                "--records" => records = number(&a, &value()?)?,
                "dlq" => plan.dead_letters = Some(records),
                part => match PARTS.iter().find(|p| **p == part) {
                    Some(p) => plan.parts.push(p),
                    None => anyhow::bail!("unknown argument \"{part}\"\n{USAGE}"),
                },
            }
        }
        plan.dead_letters = plan.dead_letters.map(|_| records);
        if plan.parts.is_empty() {
            plan.parts = PARTS.to_vec();
        }
        Ok(plan)
    }

    pub fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }

    /// Whether a side takes part.
    pub fn wants(&self, side: &str) -> bool {
        side.contains(&self.sides)
    }

    pub fn window(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn number(name: &str, text: &str) -> anyhow::Result<u64> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => anyhow::bail!("{name} wants a whole number above 0, not \"{text}\"\n{USAGE}"),
    }
}
