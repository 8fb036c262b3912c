//! What a process and its children have used, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// CPU seconds, user and system, of a process and of its living descendants.
pub fn cpu_seconds(pid: u32) -> f64 {
    tree(pid).into_iter().map(own_cpu_seconds).sum()
}

/// The highest resident memory in bytes since [`reset_peak`], summed over the process and its living descendants.
pub fn peak_bytes(pid: u32) -> u64 {
    tree(pid).into_iter().map(|p| status_kib(p, "VmHWM:") * 1024).sum()
}

/// Lets the peak start again from what is resident now.
pub fn reset_peak(pid: u32) {
    for p in tree(pid) {
        // Refused only for another user's process, whose peak then stays that of its whole life.
        let _ = fs::write(format!("/proc/{p}/clear_refs"), "5");
    }
}

/// The one-minute load average.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|v| v.parse().ok()).unwrap_or(f64::NAN)
}

/// Seconds in which the machine's processors were not idle, all together.
pub fn machine_cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> =
        text.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|v| v.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
    ticks.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t / 100.0).sum()
}

fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|c| c.parse::<u32>().ok()));
        }
    }
    all
}

/// CPU seconds of a process's living threads, by their names without the numbers at their ends.
pub fn by_thread(pid: u32) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '#' || c == '-').to_owned();
        *all.entry(name).or_default() += stat_seconds(&fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
    }
    all
}

/// Of one process alone.
pub fn own_cpu_seconds(pid: u32) -> f64 {
    stat_seconds(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default())
}

fn stat_seconds(stat: &str) -> f64 {
    // The name in parentheses may hold spaces: count from its end.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(key)).and_then(|l| l.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0)
}
