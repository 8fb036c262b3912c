//! What is asked for in the environment.

/// `MILLRACE_FAULT_ROUNDS`, `MILLRACE_FAULT_SEED`, `MILLRACE_FAULT_STAGES` and `MILLRACE_FAULT_LANES`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub rounds: usize,
    pub seed: u64,
    /// The first stage, and how many; to have one of many again.
    pub only: Option<usize>,
    /// How many stages stand at the same time.
    pub lanes: usize,
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.trim().parse().map_err(|_| anyhow::anyhow!("{name} is \"{text}\" but must be a whole number")),
        Err(_) => Ok(default),
    }
}

impl Settings {
    pub fn read() -> anyhow::Result<Settings> {
        let only = number("MILLRACE_FAULT_STAGE", -1)?;
        Ok(Settings {
            rounds: number("MILLRACE_FAULT_ROUNDS", 100)?,
            seed: number("MILLRACE_FAULT_SEED", rand::random())?,
            only: usize::try_from(only).ok(),
            lanes: number("MILLRACE_FAULT_LANES", 2)?,
        })
    }
}
