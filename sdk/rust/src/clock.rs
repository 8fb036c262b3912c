//! Time, as the host tells it.

use std::time::Duration;

/// Microseconds since the epoch.
pub fn now_us() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::millrace::plugin::clock::now_us();
    #[cfg(not(target_arch = "wasm32"))]
    return std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64);
}

/// Milliseconds since the epoch, as a record's timestamp.
pub fn now_ms() -> i64 {
    (now_us() / 1000) as i64
}

/// Nanoseconds from some start, never going back.
pub fn monotonic_ns() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::millrace::plugin::clock::monotonic_ns();
    #[cfg(not(target_arch = "wasm32"))]
    {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
    }
}

/// Suspends this task only. False: it returned early, because the host has a call waiting (`commit`, `stop`).
pub fn sleep(time: Duration) -> bool {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::millrace::plugin::clock::sleep(time.as_millis().min(u32::MAX as u128) as u32);
    #[cfg(not(target_arch = "wasm32"))]
    #[allow(clippy::disallowed_methods, reason = "a native test has no runtime whose thread it could block")]
    {
        std::thread::sleep(time);
        true
    }
}
