//! Figures of a side over its runs, and the tables that compare sides.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::usage;

/// One side's figures, one of each a run.
pub struct Side {
    pub name: String,
    /// Records a second.
    pub rates: Vec<f64>,
    /// Seconds measured.
    pub seconds: Vec<f64>,
    /// CPU-seconds a million records.
    pub cpu: Vec<f64>,
    /// Peak resident memory in bytes.
    pub memory: Vec<f64>,
    /// Share of one processor that the database's process on the other end used.
    pub server: Vec<f64>,
    /// Bytes of a record's key and value.
    pub bytes: f64,
}

impl Side {
    pub fn new(name: impl Into<String>) -> Side {
        Side {
            name: name.into(),
            rates: Vec::new(),
            seconds: Vec::new(),
            cpu: Vec::new(),
            memory: Vec::new(),
            server: Vec::new(),
            bytes: f64::NAN,
        }
    }

    /// Of what the last run counted only this share was records.
    pub fn of_these_records(&mut self, share: f64) {
        self.rates.last_mut().into_iter().for_each(|rate| *rate *= share);
        self.cpu.last_mut().into_iter().for_each(|cpu| *cpu /= share);
    }

    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }
}

/// NaN for none.
pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    match v.len() {
        0 => f64::NAN,
        n => (v[(n - 1) / 2] + v[n / 2]) / 2.0,
    }
}

/// A run's window: opened when the first records are seen, closed after the planned time or with the last record.
pub struct Window {
    pid: u32,
    server: Option<u32>,
    records: i64,
    since: Instant,
    cpu: f64,
    threads: BTreeMap<String, f64>,
    server_cpu: f64,
    machine: f64,
}

impl Window {
    /// `server`: the process of the database that serves this side.
    pub fn open(pid: u32, server: Option<u32>, records: i64) -> Window {
        usage::reset_peak(pid);
        Window {
            pid,
            server,
            records,
            since: Instant::now(),
            cpu: usage::cpu_seconds(pid),
            threads: usage::by_thread(pid),
            server_cpu: server.map_or(0.0, usage::own_cpu_seconds),
            machine: usage::machine_cpu_seconds(),
        }
    }

    pub fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Adds the run to the side.
    pub fn close(self, side: &mut Side, records: i64) {
        let (seconds, records) = (self.seconds(), (records - self.records) as f64);
        let own = usage::cpu_seconds(self.pid) - self.cpu;
        side.rates.push(records / seconds);
        side.seconds.push(seconds);
        side.cpu.push(own * 1e6 / records);
        side.memory.push(usage::peak_bytes(self.pid) as f64);
        if let Some(server) = self.server {
            side.server.push((usage::own_cpu_seconds(server) - self.server_cpu) / seconds);
        }
        eprintln!(
            "  {:<44} {:>9.0} records/s over {seconds:.1} s, {:.1} CPU-seconds a million; the machine used {:.1} CPUs, load {:.1}",
            side.name,
            records / seconds,
            own * 1e6 / records,
            (usage::machine_cpu_seconds() - self.machine) / seconds,
            usage::load_average(),
        );
        let threads = usage::by_thread(self.pid);
        let mut threads: Vec<_> =
            threads.iter().map(|(name, cpu)| (cpu - self.threads.get(name).unwrap_or(&0.0), name)).collect();
        threads.sort_by(|a, b| b.0.total_cmp(&a.0));
        let shown: Vec<_> = threads.iter().take(4).map(|(cpu, name)| format!("{name} {:.1}", cpu * 1e6 / records)).collect();
        eprintln!("    by thread: {}", shown.join(", "));
    }
}

/// A table in Markdown, medians over the runs. Ratios are to `base`; those of CPU and memory to `peer`.
pub fn print(title: &str, base: &str, peer: &str, sides: &[Side]) {
    let find = |name: &str| sides.iter().find(|s| s.name == name && !s.rates.is_empty());
    println!("\n### {title}\n");
    println!(
        "| | records/s | of {base} | CPU s/M | of {peer} | peak MB | of {peer} | server CPU | event bytes | seconds a run | runs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let ratio = |a: f64, b: Option<f64>| b.filter(|_| !a.is_nan()).map_or("".into(), |b| format!("{:.2}", a / b));
    let shown = |v: f64, digits: usize| if v.is_nan() { String::new() } else { format!("{v:.digits$}") };
    for s in sides.iter().filter(|s| !s.rates.is_empty()) {
        let (cpu, memory) = (median(&s.cpu), median(&s.memory));
        println!(
            "| {} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            s.name,
            s.rate(),
            ratio(s.rate(), find(base).map(Side::rate)),
            shown(cpu, 1),
            ratio(cpu, find(peer).map(|p| median(&p.cpu))),
            shown(memory / 1048576.0, 0),
            ratio(memory, find(peer).map(|p| median(&p.memory))),
            shown(median(&s.server), 2),
            shown(s.bytes, 0),
            shown(median(&s.seconds), 0),
            s.rates.iter().map(|r| format!("{r:.0}")).collect::<Vec<_>>().join(" "),
        );
    }
}

/// One line: what was asked for, what was reached.
pub fn verdict(what: &str, reached: f64, target: f64, at_least: bool) {
    if reached.is_nan() {
        return;
    }
    let met = if at_least { reached >= target } else { reached <= target };
    let bound = if at_least { "at least" } else { "at most" };
    println!("- {what}: {reached:.3} ({bound} {target} asked): {}", if met { "reached" } else { "MISSED" });
}
