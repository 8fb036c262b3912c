//! What `wit-bindgen` makes of the contract. Nothing here is for authors: the crate re-exports what they need under
//! plain names.
//!
//! A library that holds the bindings of several worlds may generate each interface only once. So the world `host` has
//! what every plugin has (all imports, and the export `plugin`), and the others have one export each and map their types
//! onto it; the componentizer merges the two that an export macro names. A component imports only what it calls.

pub mod host {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world host {
                include millrace:plugin/base@0.1.0;
                import millrace:plugin/files@0.1.0;
                import millrace:plugin/postgres@0.1.0;
                import millrace:plugin/http@0.1.0;
                import millrace:plugin/redis@0.1.0;
                import millrace:plugin/kafka@0.1.0;
            }
        ",
        world: "millrace:sdk/host",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_plugin",
        default_bindings_module: "millrace_plugin::bindings::host",
        additional_derives: [PartialEq],
        generate_all,
    });
}

pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world source-only {
                export millrace:plugin/source@0.1.0;
            }
        ",
        world: "millrace:sdk/source-only",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_source",
        default_bindings_module: "millrace_plugin::bindings::source",
        type_section_suffix: "source",
        additional_derives: [PartialEq],
        with: {
            "millrace:plugin/types@0.1.0": crate::bindings::host::millrace::plugin::types,
            "millrace:plugin/records@0.1.0": crate::bindings::host::millrace::plugin::records,
        },
        generate_all,
    });
}

pub mod sink {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world sink-only {
                export millrace:plugin/sink@0.1.0;
            }
        ",
        world: "millrace:sdk/sink-only",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_sink",
        default_bindings_module: "millrace_plugin::bindings::sink",
        type_section_suffix: "sink",
        additional_derives: [PartialEq],
        with: {
            "millrace:plugin/types@0.1.0": crate::bindings::host::millrace::plugin::types,
            "millrace:plugin/records@0.1.0": crate::bindings::host::millrace::plugin::records,
        },
        generate_all,
    });
}

pub mod transform {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world transform-only {
                export millrace:plugin/transform@0.1.0;
            }
        ",
        world: "millrace:sdk/transform-only",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_transform",
        default_bindings_module: "millrace_plugin::bindings::transform",
        type_section_suffix: "transform",
        additional_derives: [PartialEq],
        with: {
            "millrace:plugin/types@0.1.0": crate::bindings::host::millrace::plugin::types,
            "millrace:plugin/records@0.1.0": crate::bindings::host::millrace::plugin::records,
        },
        generate_all,
    });
}

pub mod plain {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world plain-only {
                export millrace:plugin/plain@0.1.0;
            }
        ",
        world: "millrace:sdk/plain-only",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_plain",
        default_bindings_module: "millrace_plugin::bindings::plain",
        type_section_suffix: "plain",
        additional_derives: [PartialEq],
        with: { "millrace:plugin/types@0.1.0": crate::bindings::host::millrace::plugin::types },
        generate_all,
    });
}

pub mod offsets {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package millrace:sdk;
            world offsets-only {
                export millrace:plugin/offsets@0.1.0;
            }
        ",
        world: "millrace:sdk/offsets-only",
        pub_export_macro: true,
        export_macro_name: "__millrace_export_offsets",
        default_bindings_module: "millrace_plugin::bindings::offsets",
        type_section_suffix: "offsets",
        additional_derives: [PartialEq],
        with: { "millrace:plugin/types@0.1.0": crate::bindings::host::millrace::plugin::types },
        generate_all,
    });
}
