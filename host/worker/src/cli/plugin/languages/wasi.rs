//! Components from modules that know nothing of the contract and speak WASI preview 1, as compilers make them whose bindings
//! leave no metadata behind (Go): the world is put into them, and an adapter around them. Both are in this program, so that
//! an author needs neither.

use anyhow::{Context, anyhow};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::cli::plugin::embedded;

/// The component of a module that was built for the world of a kind of plugin: `transform-plugin`. What the module does not
/// import of the world, and of WASI, the component does not either.
pub fn component(mut module: Vec<u8>, world: &str) -> anyhow::Result<Vec<u8>> {
    let (resolve, id) = contract(world)?;
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8, false).map_err(wit_error)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|e| e.adapter(ADAPTER_NAME, ADAPTER))
        .and_then(|e| e.encode())
        .map_err(wit_error)
        .with_context(|| format!("the module cannot be made a component of the world \"{world}\""))
}

fn contract(world: &str) -> anyhow::Result<(Resolve, WorldId)> {
    let mut files = SourceMap::new();
    for (name, bytes) in embedded::below("wit").filter(|(path, _)| path.ends_with(".wit")) {
        files.push_str(name, std::str::from_utf8(bytes).with_context(|| format!("wit/{name} in this program"))?);
    }
    let mut resolve = Resolve::default();
    let package = files.parse().map_err(|(_, e)| anyhow!("the contract in this program cannot be read: {e}"))?;
    let package = resolve.push_group(package).map_err(wit_error)?;
    let id = resolve.select_world(&[package], Some(world)).map_err(wit_error)?;
    Ok((resolve, id))
}

/// Their errors and ours are of different versions of one type.
fn wit_error(e: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{e:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_here_as_a_whole() {
        for world in ["transform-plugin", "source-plugin", "sink-plugin"] {
            contract(world).unwrap();
        }
        assert!(contract("no-such-world").is_err());
    }

    #[test]
    fn a_module_without_the_exports_is_refused() {
        let empty = b"\0asm\x01\0\0\0".to_vec();
        let error = format!("{:#}", component(empty, "transform-plugin").unwrap_err());
        assert!(error.contains("cannot be made a component of the world \"transform-plugin\""), "{error}");
    }
}
