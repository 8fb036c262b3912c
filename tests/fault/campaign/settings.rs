//! What is asked for in the environment.

use std::time::Duration;

/// Each is `MILLRACE_FAULT_` and its name.
#[derive(Debug, Clone)]
pub struct Settings {
    pub rounds: usize,
    pub seed: u64,
    /// `STAGE`: these stages alone, with commas; to have one of many again.
    pub only: Option<Vec<usize>>,
    /// How many stages stand at the same time.
    pub lanes: usize,
    /// `KIND`: faults alone whose line in the table holds this; to look for what one of them does.
    pub kind: Option<String>,
    /// `HOLD`: so many seconds the servers of a round that failed stay as they are, to be looked at.
    pub hold: Duration,
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.trim().parse().map_err(|_| anyhow::anyhow!("{name} is \"{text}\" but must be a whole number")),
        Err(_) => Ok(default),
    }
}

impl Settings {
    pub fn read() -> anyhow::Result<Settings> {
        let only = match std::env::var("MILLRACE_FAULT_STAGE") {
            Ok(list) => Some(
                list.split(',')
                    .map(|n| n.trim().parse())
                    .collect::<Result<Vec<usize>, _>>()
                    .map_err(|_| anyhow::anyhow!("MILLRACE_FAULT_STAGE is \"{list}\" but must be whole numbers with commas"))?,
            ),
            Err(_) => None,
        };
        Ok(Settings {
            rounds: number("MILLRACE_FAULT_ROUNDS", 100)?,
            seed: number("MILLRACE_FAULT_SEED", rand::random())?,
            only,
            lanes: number("MILLRACE_FAULT_LANES", 2)?,
            kind: std::env::var("MILLRACE_FAULT_KIND").ok().filter(|k| !k.is_empty()),
            hold: Duration::from_secs(number("MILLRACE_FAULT_HOLD", 0)?),
        })
    }
}
