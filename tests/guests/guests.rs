//! Builds the guests of this folder: each file is a few functions of WebAssembly text that replace those of a plugin that
//! behaves (`base/`), so each misbehaves in one way. No toolchain is needed: text becomes a core module, and the contract
//! in `wit/` makes it a component. `wasi.wit` has what the guests use of WASI.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract's version in the texts.
const VERSION: &str = "@0.1.0";

fn folder() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("tests/guests"));
    above.into_iter().find(|dir| dir.is_dir()).expect("the guests lie in the repository")
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The guest `name` (empty: the plugin that behaves) as a component of the world `kind`.
#[allow(dead_code)]
pub fn component(kind: &str, name: &str) -> Vec<u8> {
    of_version(kind, name, VERSION)
}

/// The same, built against another version of the contract.
#[allow(dead_code)]
pub fn of_version(kind: &str, name: &str, version: &str) -> Vec<u8> {
    let guest = if name.is_empty() { String::new() } else { read(folder().join(format!("{name}.wat"))) };
    let module = text(kind, &guest).replace(VERSION, version);
    encode(kind, &format!("{kind} {name}"), &module, version)
}

/// A plugin of the name `plugin` that has these functions in place of those that behave.
#[allow(dead_code)]
pub fn of_text(kind: &str, plugin: &str, guest: &str) -> Vec<u8> {
    assert!(plugin.len() == 11, "names have as many letters as \"misbehaving\": {plugin}");
    encode(kind, plugin, &text(kind, guest).replace("misbehaving", plugin), VERSION)
}

/// The text of the guest `name`.
#[allow(dead_code)]
pub fn source(name: &str) -> String {
    read(folder().join(format!("{name}.wat")))
}

fn encode(kind: &str, name: &str, module: &str, version: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|e| panic!("{name}: {e}"));
    let contract = tempfile::tempdir().expect("a temporary directory");
    for entry in std::fs::read_dir(folder().join("../../wit")).expect("the contract").flatten() {
        if entry.path().extension().is_some_and(|e| e == "wit") {
            let wit = read(entry.path()).replace(VERSION, version);
            std::fs::write(contract.path().join(entry.file_name()), wit).expect("a copy of the contract");
        }
    }
    let mut resolve = Resolve::default();
    resolve.push_dir(contract.path()).expect("the contract parses");
    resolve.push_str("made-up.wit", "package wasi:made-up@0.2.0; interface thing { f: func(); }").expect("a package");
    resolve.push_str("wasi.wit", &read(folder().join("wasi.wit"))).expect("WASI parses");
    let world = format!(
        "package test:guest; world guest {{
            include millrace:plugin/{kind}-plugin{version};
            import millrace:plugin/files{version};
            import millrace:plugin/http{version};
            import wasi:made-up/thing@0.2.0;
            import wasi:io/poll@0.2.0;
            import wasi:io/streams@0.2.0;
            import wasi:clocks/monotonic-clock@0.2.0;
            import wasi:random/random@0.2.0;
            import wasi:cli/stdout@0.2.0;
            import wasi:cli/exit@0.2.0;
            import wasi:filesystem/preopens@0.2.0;
            import wasi:sockets/instance-network@0.2.0;
            import wasi:sockets/tcp-create-socket@0.2.0;
            import wasi:sockets/ip-name-lookup@0.2.0;
        }}"
    );
    let package = resolve.push_str("guest.wit", &world).expect("a world");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .unwrap_or_else(|e| panic!("{name}: {e:#}"));
    let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(|e| e.encode());
    encoded.unwrap_or_else(|e| panic!("{name}: {e:#}"))
}

/// The base with the guest's functions in place of its own. A section of the base that starts with `;;; $f` is left out
/// when the guest has a function `$f`.
fn text(kind: &str, guest: &str) -> String {
    let base = read(folder().join(format!("base/{kind}.wat"))) + &read(folder().join("base/common.wat"));
    let mut out = String::new();
    for (i, section) in base.split(";;; ").enumerate() {
        let (name, body) = section.split_once('\n').expect("a section has a name");
        match name {
            _ if i == 0 => out.push_str(section),
            "guest" => {
                out.push_str(guest);
                out.push_str(body);
            }
            _ if name.starts_with('$') && guest.contains(&format!("(func {name} ")) => {}
            _ => out.push_str(body),
        }
    }
    out
}
