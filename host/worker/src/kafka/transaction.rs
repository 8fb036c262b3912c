//! Transactions of a task's producer: what is sent between [`LogProducer::begin`] and [`LogProducer::commit`] is in the log as a
//! whole or not at all, for everyone who reads what is committed.
//!
//! Whoever claims a transactional id fences who had it before: the earlier producer can neither write nor commit any more, and
//! what it had open is aborted.

use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;

use super::producer::{Client, LogProducer};

/// How long one request to the coordinator is waited for in one go; it is then asked again.
const WAIT: Duration = Duration::from_secs(5);
/// As in Kafka: a transaction that lasts longer is aborted by the broker.
const TIMEOUT_MS: u64 = 60_000;

/// Makes of a producer's settings those of a transactional one.
pub fn transactional(config: &mut ClientConfig, id: &str) {
    config.set("transactional.id", id);
    let number = |config: &ClientConfig, key: &str| config.get(key).and_then(|t| t.parse::<u64>().ok());
    let timeout = number(config, "transaction.timeout.ms").unwrap_or(TIMEOUT_MS);
    config.set("transaction.timeout.ms", timeout.to_string());
    // A record that is late for its transaction has failed; librdkafka takes no longer time-outs, nor none (0).
    if number(config, "message.timeout.ms").is_none_or(|t| t == 0 || t > timeout) {
        config.remove("message.timeout.ms");
    }
    if number(config, "socket.timeout.ms").is_none_or(|t| t > timeout) {
        config.set("socket.timeout.ms", timeout.min(TIMEOUT_MS).to_string());
    }
}

impl LogProducer {
    /// Claims the transactional id: who had it is fenced, and what it left open is aborted. Waits for the coordinator.
    pub async fn claim(&self) -> Result<(), TaskError> {
        self.ask("claim the transactional id", |c| c.producer.init_transactions(WAIT)).await
    }

    /// From here on records belong to a transaction.
    pub fn begin(&self) -> Result<(), TaskError> {
        self.client.producer.begin_transaction().map_err(|e| refused("begin", &e))
    }

    /// Makes the transaction's records readable, all at once. The caller has seen all of them acknowledged. After an error the
    /// outcome may be unknown: the next claim settles it.
    pub async fn commit(&self) -> Result<(), TaskError> {
        self.ask("commit", |c| c.producer.commit_transaction(WAIT)).await
    }

    /// Gives the transaction up; within a while, and what is left then is aborted by the next claim or the time-out.
    pub async fn abort(&self, within: Duration) {
        let aborted = self.ask("abort", |c| c.producer.abort_transaction(WAIT));
        match tokio::time::timeout(within, aborted).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the transaction is left to the broker to abort"),
            Err(_) => tracing::debug!("the transaction is left to the broker to abort"),
        }
    }

    /// Asks beside the runtime's threads, again and again while it is only late.
    async fn ask(
        &self,
        what: &'static str,
        ask: impl Fn(&Client) -> Result<(), KafkaError> + Clone + Send + 'static,
    ) -> Result<(), TaskError> {
        loop {
            let (client, ask) = (self.client.clone(), ask.clone());
            let asked = tokio::task::spawn_blocking(move || ask(&client)).await;
            match asked.map_err(|e| TaskError::new(ErrorKind::Restart, "worker.panic", format!("cannot {what}: {e}")))? {
                Ok(()) => return Ok(()),
                Err(error) if is_late(&error) => tracing::warn!(%error, "cannot {what} yet, it is tried again"),
                Err(error) => return Err(refused(what, &error)),
            }
        }
    }
}

/// Whether the same call may go on where it stopped.
fn is_late(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(e) => e.is_retriable() && !e.txn_requires_abort() && !e.is_fatal(),
        // Its own flush comes first.
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

fn refused(what: &str, error: &KafkaError) -> TaskError {
    let (code, said) = match error {
        KafkaError::Transaction(e) => (Some(e.code()), e.string()),
        other => (other.rdkafka_error_code(), other.to_string()),
    };
    use RDKafkaErrorCode as Code;
    let (kind, remedy) = match code {
        Some(Code::Fenced | Code::InvalidProducerEpoch | Code::ProducerFenced) => {
            (ErrorKind::Restart, "another task has claimed its transactional id: two workers must not run with one \"group.id\"")
        }
        Some(Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            (ErrorKind::Fatal, "allow the worker's user to Write and Describe the transactional id, and IdempotentWrite")
        }
        Some(Code::InvalidTransactionTimeout) => (
            ErrorKind::Fatal,
            "set \"producer.override.transaction.timeout.ms\" to at most the broker's \"transaction.max.timeout.ms\"",
        ),
        Some(Code::UnsupportedFeature | Code::UnsupportedVersion) => {
            (ErrorKind::Fatal, "the broker has no transactions: set \"exactly.once.source.support\" to \"disabled\"")
        }
        _ => (ErrorKind::Restart, "nothing of it can be read; its records come again"),
    };
    TaskError::new(kind, "kafka.transaction", format!("cannot {what}: {said}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::producer::PRODUCER_DEFAULTS;

    fn settings(own: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in PRODUCER_DEFAULTS.iter().chain(own) {
            config.set(*name, *value);
        }
        transactional(&mut config, "g-c-0");
        config
    }

    #[tokio::test]
    async fn librdkafka_takes_the_settings() {
        for timeout in [None, Some(("transaction.timeout.ms", "2000")), Some(("transaction.timeout.ms", "900000"))] {
            let config = settings(&timeout.into_iter().collect::<Vec<_>>());
            assert!(LogProducer::new(&config).is_ok(), "{timeout:?}");
        }
    }

    #[test]
    fn who_is_late_asks_again_and_who_is_fenced_does_not() {
        assert!(is_late(&KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)));
        let fenced = KafkaError::Flush(RDKafkaErrorCode::ProducerFenced);
        assert!(!is_late(&fenced));
        assert!(refused("commit", &fenced).message.contains("two workers"));
    }
}
