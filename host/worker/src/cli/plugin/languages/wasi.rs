//! Components from modules that know nothing of the contract and speak WASI preview 1, as compilers make them whose bindings
//! leave no metadata behind (Go): the world is put into them, and an adapter around them. Both are in this program, so that
//! an author needs neither.

use std::fmt::Write;

use anyhow::{Context, anyhow, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap, WorldId};

use crate::cli::plugin::embedded;

/// What a module may export besides `plugin`: the last part of the interface that says what kind of plugin it is.
const KINDS: [&str; 4] = ["transform", "plain", "source", "sink"];
/// What no plugin imports.
const NOT_IMPORTED: [&str; 6] = ["plugin", "transform", "plain", "source", "sink", "offsets"];
/// The world that a module gets, in the contract's package.
const WORLD: &str = "as-built";

/// The component of a module. Of which kind it is its exports say, and it may import every interface of the contract: what the
/// module does not import, of the contract and of WASI, the component does not either.
pub fn component(mut module: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let (mut resolve, package) = contract()?;
    let (kind, offsets) = exported(&module)?;
    let id = world(&mut resolve, package, kind, offsets)?;
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8, false).map_err(wit_error)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|e| e.adapter(ADAPTER_NAME, ADAPTER))
        .and_then(|e| e.encode())
        .map_err(wit_error)
        .with_context(|| format!("the module cannot be made the component of a {kind}"))
}

/// The kind of plugin that a module exports, and whether it exports `offsets` besides.
fn exported(module: &[u8]) -> anyhow::Result<(&'static str, bool)> {
    let mut kinds = Vec::new();
    let mut offsets = false;
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let wasmparser::Payload::ExportSection(exports) = payload.context("what was built is not a WebAssembly module")? else {
            continue;
        };
        for export in exports {
            let name = export.context("what was built is not a WebAssembly module")?.name;
            let Some((interface, _)) = name.strip_prefix("millrace:plugin/").and_then(|n| n.split_once('@')) else { continue };
            offsets |= interface == "offsets";
            let kind = KINDS.into_iter().find(|k| *k == interface);
            kinds.extend(kind.filter(|k| !kinds.contains(k)));
        }
    }
    match kinds[..] {
        [kind] => Ok((kind, offsets)),
        [] => bail!("what was built exports no plugin: a transform, a source or a sink"),
        _ => bail!("what was built exports more than one kind of plugin: {}; take one of them", kinds.join(", ")),
    }
}

fn contract() -> anyhow::Result<(Resolve, PackageId)> {
    let mut files = SourceMap::new();
    for (name, bytes) in embedded::below("wit").filter(|(path, _)| path.ends_with(".wit")) {
        files.push_str(name, std::str::from_utf8(bytes).with_context(|| format!("wit/{name} in this program"))?);
    }
    let mut resolve = Resolve::default();
    let group = files.parse().map_err(|(_, e)| anyhow!("the contract in this program cannot be read: {e}"))?;
    let package = resolve.push_group(group).map_err(wit_error)?;
    Ok((resolve, package))
}

/// The world that imports every interface and exports one kind of plugin.
fn world(resolve: &mut Resolve, package: PackageId, kind: &str, offsets: bool) -> anyhow::Result<WorldId> {
    let name = resolve.packages[package].name.clone();
    let mut text = String::from("package millrace:build;\n");
    let _ = writeln!(text, "world {WORLD} {{");
    let of = |interface: &str| name.interface_id(interface);
    for interface in resolve.packages[package].interfaces.keys().filter(|i| !NOT_IMPORTED.contains(&i.as_str())) {
        let _ = writeln!(text, "  import {};", of(interface));
    }
    for interface in ["plugin", kind].into_iter().chain(offsets.then_some("offsets")) {
        let _ = writeln!(text, "  export {};", of(interface));
    }
    text.push_str("}\n");
    let mut files = SourceMap::new();
    files.push_str("build.wit", text);
    let group = files.parse().map_err(|(_, e)| anyhow!("the world of a {kind} cannot be read: {e}"))?;
    let package = resolve.push_group(group).map_err(wit_error)?;
    resolve.select_world(&[package], Some(WORLD)).map_err(wit_error)
}

/// Their errors and ours are of different versions of one type.
fn wit_error(e: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{e:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports functions of these names.
    fn module(exports: &[&str]) -> Vec<u8> {
        let mut body = vec![exports.len() as u8];
        for name in exports {
            body.push(name.len() as u8);
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&[0, 0]);
        }
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend_from_slice(&[7, body.len() as u8]);
        module.extend_from_slice(&body);
        module
    }

    #[test]
    fn every_kind_has_a_world_with_every_capability() {
        for kind in KINDS {
            let (mut resolve, package) = contract().unwrap();
            let id = world(&mut resolve, package, kind, kind == "source").unwrap();
            let names =
                |keys: Vec<String>| keys.iter().map(|k| k.split(['/', '@']).nth(1).unwrap().to_owned()).collect::<Vec<_>>();
            let world = &resolve.worlds[id];
            let imports = names(world.imports.keys().map(|k| resolve.name_world_key(k)).collect());
            let exports = names(world.exports.keys().map(|k| resolve.name_world_key(k)).collect());
            for import in ["http", "files", "logging", "records"] {
                assert!(imports.iter().any(|i| i == import), "{kind}: {imports:?}");
            }
            assert!(exports.iter().any(|e| e == kind), "{kind}: {exports:?}");
        }
    }

    #[test]
    fn the_exports_say_the_kind() {
        let of = |exports: &[&str]| exported(&module(exports)).map_err(|e| e.to_string());
        assert_eq!(
            of(&["millrace:plugin/sink@0.1.0#put", "memory", "millrace:plugin/plugin@0.1.0#describe"]),
            Ok(("sink", false))
        );
        let with_offsets = ["millrace:plugin/source@0.1.0#poll", "millrace:plugin/offsets@0.1.0#alter"];
        assert_eq!(of(&with_offsets), Ok(("source", true)));
        assert!(of(&["run"]).unwrap_err().contains("exports no plugin"));
        let two = ["millrace:plugin/source@0.1.0#poll", "millrace:plugin/sink@0.1.0#put"];
        assert!(of(&two).unwrap_err().contains("more than one kind of plugin: source, sink"));
        assert!(exported(b"text").is_err());
    }
}
