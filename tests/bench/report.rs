//! Figures of a run, and the lines that compare them.

use millrace_tests::{Connect, Process, Worker};

/// One side's figures over its runs.
pub struct Side {
    pub name: String,
    /// Records a second, one a run.
    pub rates: Vec<f64>,
    /// CPU-seconds a million records, one a run.
    pub cpu: Vec<f64>,
    /// Peak resident memory in bytes.
    pub memory: u64,
}

impl Side {
    pub fn new(name: impl Into<String>) -> Side {
        Side { name: name.into(), rates: Vec::new(), cpu: Vec::new(), memory: 0 }
    }
    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures what a process used between two moments.
pub struct Meter<'a> {
    process: &'a Process,
    cpu: f64,
    since: std::time::Instant,
}

impl<'a> Meter<'a> {
    pub fn start(process: &'a Process) -> Meter<'a> {
        Meter { process, cpu: process.cpu_seconds(), since: std::time::Instant::now() }
    }
    /// Adds a run of `records` to a side.
    pub fn stop(&self, side: &mut Side, records: i64) {
        let seconds = self.since.elapsed().as_secs_f64();
        side.rates.push(records as f64 / seconds);
        side.cpu.push((self.process.cpu_seconds() - self.cpu) * 1e6 / records as f64);
        side.memory = side.memory.max(self.process.peak_rss());
        eprintln!("  {}: {records} records in {seconds:.1} s", side.name);
    }
}

/// Prints the sides, each beside the first.
pub fn print(title: &str, sides: &[Side]) {
    println!("\n{title}");
    println!("{:<44}{:>12}{:>10}{:>16}{:>12}", "", "records/s", "ratio", "CPU s a million", "peak MB");
    for s in sides {
        println!(
            "{:<44}{:>12.0}{:>9.2}x{:>16.1}{:>12}   runs {:?}",
            s.name,
            s.rate(),
            s.rate() / sides[0].rate(),
            median(&s.cpu),
            s.memory >> 20,
            s.rates.iter().map(|r| r.round()).collect::<Vec<_>>()
        );
    }
}

/// Start-up and idle memory.
pub fn start(millrace: &Worker, embedded: &Worker, connect: &Connect) {
    println!(
        "start to first answer: Millrace on Kafka {:?}, with the embedded broker {:?}; resident: {} MB, {} MB, Kafka Connect {} MB",
        millrace.ready_in,
        embedded.ready_in,
        millrace.process().rss() >> 20,
        embedded.process().rss() >> 20,
        connect.process.rss() >> 20
    );
}
