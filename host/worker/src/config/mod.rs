//! Worker settings: where they come from (a properties file, the environment, `--set`), and what they mean.
//!
//! What was written is a string map; what was understood is [`WorkerConfig`], made only by [`WorkerConfig::understand`],
//! which reports every wrong setting at once. Nothing here reaches a server.

mod check;
pub mod http;
pub mod keys;
pub mod properties;
mod reader;
mod security_keys;
mod sources;
#[cfg(test)]
mod tests;
mod worker;

pub use sources::{ReadError, read};
pub use worker::{Storage, Understood, WorkerConfig};

/// A wrong setting of the worker: key, value, remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    pub key: String,
    pub message: String,
}

/// All wrong settings of a worker, and what else an operator should know of them.
#[derive(Debug, thiserror::Error)]
pub struct WrongSettings {
    pub wrong: Vec<WrongSetting>,
    pub warnings: Vec<String>,
}

impl std::fmt::Display for WrongSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} wrong setting(s):", self.wrong.len())?;
        for wrong in &self.wrong {
            write!(f, "\n  {}: {}", wrong.key, wrong.message)?;
        }
        for warning in &self.warnings {
            write!(f, "\n  {warning}")?;
        }
        Ok(())
    }
}

/// Whether a value of this key may be shown: everything whose name speaks of a secret may not.
pub fn secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "secret", "sasl.jaas.config", "token", "credential", "private.key", "ssl.key.pem", "ssl.keystore.key"]
        .iter()
        .any(|part| key.contains(part))
}
