//! The macros that make a crate a plugin. On other targets than wasm32 they export nothing, so that `cargo test` links.

use crate::Error;

pub(crate) fn not_started() -> Error {
    Error::fatal("plugin.not-started", "the host called a task before it was started")
}

#[doc(hidden)]
#[macro_export]
macro_rules! __slot {
    ($slot:ident, $plugin:ty) => {
        struct Slot;
        impl $crate::$slot for Slot {
            type Plugin = $plugin;
            fn with<R>(f: impl FnOnce(&mut Option<$plugin>) -> R) -> R {
                ::std::thread_local! {
                    static TASK: ::std::cell::RefCell<Option<$plugin>> = const { ::std::cell::RefCell::new(None) };
                }
                TASK.with_borrow_mut(f)
            }
        }
    };
}

/// Exports a [`Source`](crate::Source): `export_source!(MySource);`, once in a crate.
#[macro_export]
macro_rules! export_source {
    ($plugin:ty) => {
        const _: () = {
            $crate::__slot!(SourceSlot, $plugin);
            #[allow(dead_code)]
            type Exported = $crate::SourceExport<Slot>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::host::__millrace_export_plugin!(Exported with_types_in $crate::bindings::host);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::source::__millrace_export_source!(Exported with_types_in $crate::bindings::source);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::offsets::__millrace_export_offsets!(Exported with_types_in $crate::bindings::offsets);
        };
    };
}

/// Exports a [`Sink`](crate::Sink): `export_sink!(MySink);`, once in a crate.
#[macro_export]
macro_rules! export_sink {
    ($plugin:ty) => {
        const _: () = {
            $crate::__slot!(SinkSlot, $plugin);
            #[allow(dead_code)]
            type Exported = $crate::SinkExport<Slot>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::host::__millrace_export_plugin!(Exported with_types_in $crate::bindings::host);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::sink::__millrace_export_sink!(Exported with_types_in $crate::bindings::sink);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::offsets::__millrace_export_offsets!(Exported with_types_in $crate::bindings::offsets);
        };
    };
}

/// Exports a [`Transform`](crate::Transform): `export_transform!(MyTransform);`, once in a crate.
#[macro_export]
macro_rules! export_transform {
    ($plugin:ty) => {
        const _: () = {
            $crate::__slot!(TransformSlot, $plugin);
            #[allow(dead_code)]
            type Exported = $crate::TransformExport<Slot>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::host::__millrace_export_plugin!(Exported with_types_in $crate::bindings::host);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::transform::__millrace_export_transform!(Exported with_types_in $crate::bindings::transform);
        };
    };
}

/// Exports a [`PlainTransform`](crate::PlainTransform): `export_plain!(MyPlugin);`, once in a crate.
#[macro_export]
macro_rules! export_plain {
    ($plugin:ty) => {
        const _: () = {
            $crate::__slot!(PlainSlot, $plugin);
            #[allow(dead_code)]
            type Exported = $crate::PlainExport<Slot>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::host::__millrace_export_plugin!(Exported with_types_in $crate::bindings::host);
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::plain::__millrace_export_plain!(Exported with_types_in $crate::bindings::plain);
        };
    };
}
