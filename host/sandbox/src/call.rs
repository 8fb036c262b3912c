//! The time of a call: what it may compute, and how long it may last.
//!
//! A thread raises the engine's epoch every [`TICK`] while a guest computes. At each tick the running guest gives way to
//! the runtime, so that it never starves other tasks; the call whose computing time is used up traps. What counts is the
//! time between the runtime's turn to the guest and the guest's giving way, so that a busy machine fails nobody. Waiting in
//! a capability of the contract is free; waiting in WASI, which has nothing to wait for but a clock, is not. Whatever a call
//! does, it is ended when it has lasted for as long as one may.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::state::State;

/// How often a computing guest gives way.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A call used up its computing time.
#[derive(Debug, thiserror::Error)]
#[error("the computing time of the call is used up")]
pub(crate) struct DeadlineExceeded;

/// A call has lasted for too long, most of it waiting.
#[derive(Debug, thiserror::Error)]
#[error("the call has lasted for too long")]
pub(crate) struct TimedOut;

/// The most that one turn of a guest counts: where it takes longer, the machine was busy with something else.
const TURN_MAX: Duration = Duration::from_millis(2 * TICK.as_millis() as u64);

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

/// The time of one store's calls, and leave to wait without using it up.
#[derive(Clone)]
pub(crate) struct Waits {
    ticker: Arc<Ticker>,
    meter: Arc<Meter>,
}

/// Shared by a call's frame, the epoch's callback and the capabilities, which run one at a time.
struct Meter {
    origin: Instant,
    /// Nanoseconds that the call may compute, and those that it has.
    budget: AtomicU64,
    used: AtomicU64,
    /// When the guest's turn began, in nanoseconds since the origin.
    turn: AtomicU64,
    /// The guest has given way, and wants to go on at once.
    gave_way: AtomicBool,
    /// A capability waits.
    excused: AtomicBool,
}

impl Meter {
    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
    /// With the turn that is under way.
    fn spent(&self) -> u64 {
        self.used.load(Ordering::Relaxed) + (self.now() - self.turn.load(Ordering::Relaxed)).min(nanos(TURN_MAX))
    }
    fn begin_turn(&self) {
        self.turn.store(self.now(), Ordering::Relaxed);
    }
    fn end_turn(&self) {
        self.used.store(self.spent(), Ordering::Relaxed);
    }
    fn charge(&self, waited: Duration) {
        self.used.fetch_add(nanos(waited), Ordering::Relaxed);
    }
    /// None: it is used up.
    fn left(&self) -> Option<Duration> {
        let budget = self.budget.load(Ordering::Relaxed);
        budget.checked_sub(self.used.load(Ordering::Relaxed)).filter(|left| *left > 0).map(Duration::from_nanos)
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

impl Waits {
    pub fn new(ticker: Arc<Ticker>) -> Self {
        let meter = Meter {
            origin: Instant::now(),
            budget: AtomicU64::new(0),
            used: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            gave_way: AtomicBool::new(false),
            excused: AtomicBool::new(false),
        };
        Waits { ticker, meter: Arc::new(meter) }
    }

    pub fn computing(&self) -> Computing {
        self.ticker.enter();
        Computing(self.ticker.clone())
    }

    /// Awaits `wait`; the time is no computing time.
    pub async fn on<F: Future>(&self, wait: F) -> F::Output {
        struct Pause<'a>(&'a Waits);
        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.meter.excused.store(false, Ordering::Relaxed);
                self.0.ticker.enter();
            }
        }
        let mut wait = std::pin::pin!(wait);
        let mut pause = None;
        std::future::poll_fn(|cx| {
            let poll = wait.as_mut().poll(cx);
            if poll.is_pending() {
                pause.get_or_insert_with(|| {
                    self.meter.excused.store(true, Ordering::Relaxed);
                    self.ticker.leave();
                    Pause(self)
                });
            }
            poll
        })
        .await
    }

    /// Runs a call that was armed, for as long as it may last.
    pub fn frame<R, F: Future<Output = wasmtime::Result<R>>>(&self, timeout: Duration, call: F) -> Frame<F> {
        Frame { meter: self.meter.clone(), begun: Instant::now(), timeout, waiting: None, alarm: None, call }
    }
}

/// A call under way.
pub(crate) struct Frame<F> {
    meter: Arc<Meter>,
    begun: Instant,
    timeout: Duration,
    /// Since when it waits for what counts.
    waiting: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
    call: F,
}

impl<R, F: Future<Output = wasmtime::Result<R>>> Future for Frame<F> {
    type Output = wasmtime::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `call` is moved nowhere; the other fields are `Unpin`.
        let (this, call) = unsafe {
            let this = self.get_unchecked_mut();
            ((&mut this.meter, &mut this.waiting, &mut this.alarm, this.begun, this.timeout), Pin::new_unchecked(&mut this.call))
        };
        let (meter, waiting, alarm, begun, timeout) = this;
        if let Some(since) = waiting.take() {
            meter.charge(since.elapsed());
            if meter.left().is_none() {
                return Poll::Ready(Err(DeadlineExceeded.into()));
            }
        }
        meter.begin_turn();
        let polled = call.poll(cx);
        meter.end_turn();
        if polled.is_ready() {
            return polled;
        }
        let Some(mut left) = timeout.checked_sub(begun.elapsed()) else { return Poll::Ready(Err(TimedOut.into())) };
        // The runtime has been told already to come back.
        if meter.gave_way.swap(false, Ordering::Relaxed) {
            return Poll::Pending;
        }
        if !meter.excused.load(Ordering::Relaxed) {
            let Some(counted) = meter.left() else { return Poll::Ready(Err(DeadlineExceeded.into())) };
            *waiting = Some(Instant::now());
            left = left.min(counted);
        }
        let until = tokio::time::Instant::now() + left;
        let alarm = match alarm {
            Some(alarm) => {
                alarm.as_mut().reset(until);
                alarm
            }
            None => alarm.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        if alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Makes a store's guest give way at each tick.
pub(crate) fn meter(store: &mut Store<State>) {
    store.epoch_deadline_callback(|cx| {
        let meter = &cx.data().waits.meter;
        if meter.spent() > meter.budget.load(Ordering::Relaxed) {
            return Err(DeadlineExceeded.into());
        }
        meter.gave_way.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    });
}

/// A call begins: it has `deadline` to compute.
pub(crate) fn arm(store: &mut Store<State>, deadline: Duration) {
    let state = store.data_mut();
    let meter = &state.waits.meter;
    meter.budget.store(nanos(deadline), Ordering::Relaxed);
    meter.used.store(0, Ordering::Relaxed);
    meter.gave_way.store(false, Ordering::Relaxed);
    meter.excused.store(false, Ordering::Relaxed);
    meter.begin_turn();
    state.last_words = None;
    state.limits.refused = None;
    store.set_epoch_deadline(1);
}
