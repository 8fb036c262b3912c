//! What becomes of a source's record that cannot be handled: Connect's sources have no dead letter queue.

use crate::errors::Stage;
use crate::errors::context::{Cause, log_line};
use crate::errors::tolerance::Tolerance;
use crate::task::supervise::{Failure, Task};
use millrace_record::TaskError;
use rdkafka::message::OwnedMessage;

/// Counts and logs a record that failed for good at `stage`, in `class`. With `errors.tolerance=all` it is skipped, else it fails the
/// task.
pub(super) fn tolerate(task: &Task, stage: Stage, class: &str, call: &'static str, mut error: TaskError) -> Result<(), Failure> {
    let (counters, errors) = (&task.counters, &task.settings.errors);
    counters.errors.add(1);
    counters.failures.add(1);
    counters.failed_now();
    if errors.log {
        counters.errors_logged.add(1);
        let cause = Cause { stage, class, exception: "", code: &error.code, message: &error.message, detail: None };
        let line = log_line(&task.spec.id, &cause, None::<&OwnedMessage>);
        tracing::error!(code = error.code, %error, "{line}");
    }
    match errors.tolerance {
        Tolerance::All => Ok(()),
        Tolerance::None => {
            error.message = format!("Tolerance exceeded in error handler: {}", error.message);
            error.attributes.push(("stage".into(), stage.name().into()));
            error.attributes.push(("remedy".into(), "set errors.tolerance=all to skip such records".into()));
            Err(Failure::new(stage.name(), call, error).decided())
        }
    }
}
