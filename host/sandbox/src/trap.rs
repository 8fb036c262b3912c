//! Why a plugin broke, in words.

use millrace_record::{ErrorKind, TaskError};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::call::{DeadlineExceeded, TimedOut};
use crate::instance::Times;
use crate::limits::{HANDED_BYTES_MAX, HANDLES_MAX};
use crate::state::State;

/// Lines of a guest's call stack that are kept.
const BACKTRACE_LINES_MAX: usize = 12;

/// The error of a call that ended in a trap.
pub(crate) fn explain(state: &State, call: &str, times: Times, error: &wasmtime::Error) -> TaskError {
    let (code, reason) = reason(state, times, error);
    let mut broken = broken(&state.owner.plugin, call, code, &reason);
    if let Some(stack) = error.downcast_ref::<WasmBacktrace>() {
        let stack = stack.to_string();
        let lines: Vec<_> = stack.lines().map(str::trim_end).filter(|l| !l.is_empty()).take(BACKTRACE_LINES_MAX).collect();
        broken.attributes.push(("backtrace".into(), lines.join("\n")));
    }
    broken
}

/// The error of a plugin that broke the contract: its answer cannot be.
pub(crate) fn lied(plugin: &str, call: &str, what: impl std::fmt::Display) -> TaskError {
    broken(plugin, call, "plugin.contract", &format!("its answer breaks the contract: {what}"))
}

fn broken(plugin: &str, call: &str, code: &str, reason: &str) -> TaskError {
    TaskError::new(ErrorKind::Trap, code, format!("plugin \"{plugin}\" broke in \"{call}\": {reason}"))
}

fn reason(state: &State, times: Times, error: &wasmtime::Error) -> (&'static str, String) {
    if error.downcast_ref::<DeadlineExceeded>().is_some() {
        return (
            "plugin.deadline",
            format!(
                "it computed for longer than the {} ms that one call may take; it may be in an endless loop, else raise \"plugin.call.deadline.ms\"",
                times.deadline.as_millis()
            ),
        );
    }
    if error.downcast_ref::<TimedOut>().is_some() {
        return (
            "plugin.timeout",
            format!(
                "it lasted for longer than the {} ms that one call may, waiting included; if it has reason to wait for longer, raise \"plugin.call.timeout.ms\"",
                times.timeout.as_millis()
            ),
        );
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return (
            "plugin.handles",
            format!("it holds {HANDLES_MAX} handles, the most that an instance may: drop those that it is done with"),
        );
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        let words = state.last_words.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
        return ("plugin.exit", format!("it ended itself with the status {status}{words}"));
    }
    if let Some(wanted) = state.limits.refused {
        return (
            "plugin.out-of-memory",
            format!(
                "it ran out of memory: it asked for {} bytes in all, the limit is {}; raise \"plugin.memory.limit.bytes\" or make its batches smaller",
                wanted, state.limits.memory_bytes_max
            ),
        );
    }
    if let (Some(words), Some(Trap::UnreachableCodeReached)) = (&state.last_words, error.downcast_ref::<Trap>()) {
        return ("plugin.panic", format!("it panicked: {words}"));
    }
    // How runtimes end that have WASI: Go's, after a panic.
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return match &state.last_words {
            Some(words) => ("plugin.panic", format!("it panicked: {words}")),
            None => ("plugin.exit", format!("it ended itself with the exit code {}; what it printed is in the log", exit.0)),
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => ("plugin.panic", "it panicked or aborted without a message".into()),
        Some(Trap::StackOverflow) => ("plugin.trap", "its call stack is exhausted: a recursion without an end?".into()),
        Some(trap) => ("plugin.trap", trap.to_string()),
        // wasmtime has no type for it.
        None if error.root_cause().to_string().contains("hostcall") => (
            "plugin.host-memory",
            format!("it handed the host more than {} MiB in one call: make its lists and texts smaller", HANDED_BYTES_MAX >> 20),
        ),
        None => ("plugin.trap", error.root_cause().to_string()),
    }
}
