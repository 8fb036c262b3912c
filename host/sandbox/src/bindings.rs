//! The contract of `wit/`, generated: imported interfaces once, and one world per kind of plugin over them.

/// The interfaces that the host offers, with the types all worlds share.
mod host {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package millrace:host;
            world offered {
                import millrace:plugin/types@0.1.0;
                import millrace:plugin/logging@0.1.0;
                import millrace:plugin/metrics@0.1.0;
                import millrace:plugin/alerts@0.1.0;
                import millrace:plugin/config@0.1.0;
                import millrace:plugin/clock@0.1.0;
                import millrace:plugin/random@0.1.0;
                import millrace:plugin/cache@0.1.0;
                import millrace:plugin/state@0.1.0;
                import millrace:plugin/secrets@0.1.0;
                import millrace:plugin/records@0.1.0;
                import millrace:plugin/files@0.1.0;
                import millrace:plugin/postgres@0.1.0;
                import millrace:plugin/http@0.1.0;
                import millrace:plugin/redis@0.1.0;
                import millrace:plugin/kafka@0.1.0;
            }
        ",
        world: "millrace:host/offered",
        imports: {
            // Only what may wait is async: a call into the host that never does is a third cheaper without.
            "millrace:plugin/clock.sleep": async | trappable,
            "millrace:plugin/files": async | trappable,
            "millrace:plugin/postgres": async | trappable,
            "millrace:plugin/http": async | trappable,
            "millrace:plugin/redis": async | trappable,
            "millrace:plugin/kafka": async | trappable,
            default: trappable,
        },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "millrace:plugin/records.batch": crate::capabilities::records::LentBatch,
            "millrace:plugin/files.reader": crate::capabilities::files::Reader,
            "millrace:plugin/files.appender": crate::capabilities::files::Appender,
            "millrace:plugin/postgres.connection": crate::capabilities::postgres::Connection,
            "millrace:plugin/postgres.copy-reader": crate::capabilities::postgres::CopyReader,
            "millrace:plugin/redis.connection": crate::capabilities::redis::Connection,
            "millrace:plugin/postgres.replication": crate::capabilities::postgres::Replication,
        },
    });
}

pub use host::millrace::plugin::*;

// The export `plugin` is a world of its own, for there are components that have it as it first was.
macro_rules! world {
    ($module:ident, $text:literal) => {
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "../../wit",
                inline: $text,
                world: "millrace:exported/only",
                exports: { default: async },
                with: { "millrace:plugin": crate::bindings },
            });
        }
    };
}
world!(plugin, "package millrace:exported; world only { export millrace:plugin/plugin@0.1.0; }");
world!(source, "package millrace:exported; world only { export millrace:plugin/source@0.1.0; }");
world!(sink, "package millrace:exported; world only { export millrace:plugin/sink@0.1.0; }");
world!(transform, "package millrace:exported; world only { export millrace:plugin/transform@0.1.0; }");
world!(plain, "package millrace:exported; world only { export millrace:plugin/plain@0.1.0; }");
world!(offsets, "package millrace:exported; world only { export millrace:plugin/offsets@0.1.0; }");

/// `plugin` as the contract first had it: a configuration key without attributes.
pub mod first {
    wasmtime::component::bindgen!({
        path: "wit/first",
        world: "millrace:plugin/first",
        exports: { default: async },
    });
}
