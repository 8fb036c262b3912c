//! Lines in the worker's log; the host adds the connector, the task and the plugin. Never a key, value or credential.

pub use crate::bindings::host::millrace::plugin::logging::Level;

/// Whether a line of this level would be kept.
#[inline]
pub fn enabled(level: Level) -> bool {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::millrace::plugin::logging::enabled(level);
    #[cfg(not(target_arch = "wasm32"))]
    return level >= Level::Info;
}

/// Writes a line. The macros ([`crate::info!`] and its kin) format only what is kept.
pub fn log(level: Level, message: &str, fields: &[(String, String)]) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::host::millrace::plugin::logging::log(level, message, fields);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?} {message} {fields:?}");
}

/// `log!(Level::Info, "format {}", value; name = field, ...)`: the fields are printed by `Display`.
#[macro_export]
macro_rules! log {
    ($level:expr, $format:literal $(, $arg:expr)* $(,)? $(; $($name:ident = $value:expr),+ $(,)?)?) => {
        if $crate::log::enabled($level) {
            $crate::log::log(
                $level,
                &::std::format!($format $(, $arg)*),
                &[$($((::std::stringify!($name).to_string(), ::std::format!("{}", $value))),+)?],
            );
        }
    };
}
#[macro_export]
macro_rules! trace { ($($t:tt)*) => { $crate::log!($crate::log::Level::Trace, $($t)*) }; }
#[macro_export]
macro_rules! debug { ($($t:tt)*) => { $crate::log!($crate::log::Level::Debug, $($t)*) }; }
#[macro_export]
macro_rules! info { ($($t:tt)*) => { $crate::log!($crate::log::Level::Info, $($t)*) }; }
/// We recovered.
#[macro_export]
macro_rules! warn { ($($t:tt)*) => { $crate::log!($crate::log::Level::Warn, $($t)*) }; }
/// Act now, or data is at risk.
#[macro_export]
macro_rules! error { ($($t:tt)*) => { $crate::log!($crate::log::Level::Error, $($t)*) }; }

#[cfg(target_arch = "wasm32")]
pub(crate) fn install_panic_hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            log(Level::Error, &format!("the plugin panicked: {panic}"), &[]);
        }));
    });
}
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn install_panic_hook() {}
