//! Computing time: what a call may use, and how waiting in the host does not count.
//!
//! A thread raises the engine's epoch every [`TICK`] while a guest computes. At each tick the running guest gives way to
//! the runtime, so that it never starves other tasks, and loses one tick of its budget; the call whose budget is used up
//! traps. A tick in which the guest waited in a capability is free.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use wasmtime::{Engine, Store, UpdateDeadline};

use crate::state::State;

/// How often a computing guest gives way.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A call used up its computing time.
#[derive(Debug, thiserror::Error)]
#[error("the computing time of the call is used up")]
pub(crate) struct DeadlineExceeded;

/// What a call has left.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ticks_left: u32,
}

/// Raises the epoch while anything computes, and sleeps otherwise.
#[derive(Debug)]
pub(crate) struct Ticker {
    computing: AtomicUsize,
    thread: OnceLock<std::thread::Thread>,
}

impl Ticker {
    pub fn start(engine: &Engine) -> std::io::Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker { computing: AtomicUsize::new(0), thread: OnceLock::new() });
        let (engine, weak) = (engine.weak(), Arc::downgrade(&ticker));
        let thread = std::thread::Builder::new().name("epochs".into()).spawn(move || tick(weak, engine))?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn enter(&self) {
        if self.computing.fetch_add(1, Ordering::SeqCst) == 0
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
    fn leave(&self) {
        self.computing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn tick(ticker: Weak<Ticker>, engine: wasmtime::EngineWeak) {
    loop {
        match ticker.upgrade() {
            None => return,
            Some(t) if t.computing.load(Ordering::SeqCst) == 0 => {
                drop(t);
                std::thread::park();
            }
            Some(_) => {
                #[expect(clippy::disallowed_methods, reason = "the thread is this one alone")]
                std::thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        }
    }
}

/// A call that computes, from here to its drop.
pub(crate) struct Computing(Arc<Ticker>);

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Lets a capability wait without using up the guest's computing time.
#[derive(Clone)]
pub(crate) struct Waits {
    ticker: Arc<Ticker>,
    waited: Arc<AtomicBool>,
}

impl Waits {
    pub fn new(ticker: Arc<Ticker>) -> Self {
        Waits { ticker, waited: Arc::default() }
    }

    pub fn computing(&self) -> Computing {
        self.ticker.enter();
        Computing(self.ticker.clone())
    }

    /// Awaits `wait`; the time counts for nothing.
    pub async fn on<F: Future>(&self, wait: F) -> F::Output {
        struct Pause<'a>(&'a Ticker);
        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.enter();
            }
        }
        let mut wait = std::pin::pin!(wait);
        let mut pause = None;
        std::future::poll_fn(|cx| {
            let poll = wait.as_mut().poll(cx);
            if poll.is_pending() {
                pause.get_or_insert_with(|| {
                    self.waited.store(true, Ordering::Relaxed);
                    self.ticker.leave();
                    Pause(&self.ticker)
                });
            }
            poll
        })
        .await
    }
}

/// Makes a store's guest give way at each tick.
pub(crate) fn meter(store: &mut Store<State>) {
    store.epoch_deadline_callback(|mut cx| {
        let state = cx.data_mut();
        if !state.waits.waited.swap(false, Ordering::Relaxed) {
            if state.clock.ticks_left == 0 {
                return Err(DeadlineExceeded.into());
            }
            state.clock.ticks_left -= 1;
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// A call begins: it has `deadline` to compute.
pub(crate) fn arm(store: &mut Store<State>, deadline: Duration) {
    let ticks = deadline.as_millis().div_ceil(TICK.as_millis());
    let state = store.data_mut();
    state.clock.ticks_left = ticks.try_into().unwrap_or(u32::MAX);
    state.waits.waited.store(false, Ordering::Relaxed);
    state.last_words = None;
    state.limits.refused = None;
    store.set_epoch_deadline(1);
}
