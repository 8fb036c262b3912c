//! Components from modules that know nothing of the contract and speak WASI preview 1, as compilers make them whose bindings
//! leave no metadata behind (Go): the world is put into them, and an adapter around them. Both are in this program, so that
//! an author needs neither.

use anyhow::{Context, anyhow};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

/// The contract, file by file.
const WIT: &[(&str, &str)] = &[
    ("alerts.wit", include_str!("../../../../../../wit/alerts.wit")),
    ("clock.wit", include_str!("../../../../../../wit/clock.wit")),
    ("config.wit", include_str!("../../../../../../wit/config.wit")),
    ("files.wit", include_str!("../../../../../../wit/files.wit")),
    ("logging.wit", include_str!("../../../../../../wit/logging.wit")),
    ("metrics.wit", include_str!("../../../../../../wit/metrics.wit")),
    ("offsets.wit", include_str!("../../../../../../wit/offsets.wit")),
    ("plugin.wit", include_str!("../../../../../../wit/plugin.wit")),
    ("postgres.wit", include_str!("../../../../../../wit/postgres.wit")),
    ("records.wit", include_str!("../../../../../../wit/records.wit")),
    ("sink.wit", include_str!("../../../../../../wit/sink.wit")),
    ("source.wit", include_str!("../../../../../../wit/source.wit")),
    ("transform.wit", include_str!("../../../../../../wit/transform.wit")),
    ("types.wit", include_str!("../../../../../../wit/types.wit")),
    ("world.wit", include_str!("../../../../../../wit/world.wit")),
];

/// The component of a module that was built for the world of a kind of plugin: `transform-plugin`. What the module does not
/// import of the world, and of WASI, the component does not either.
pub fn component(mut module: Vec<u8>, world: &str) -> anyhow::Result<Vec<u8>> {
    let (resolve, id) = contract(world)?;
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8).map_err(wit_error)?;
    let encoder = ComponentEncoder::default().validate(true).module(&module).map_err(wit_error)?;
    encoder
        .adapter(ADAPTER_NAME, ADAPTER)
        .and_then(|mut e| e.encode())
        .map_err(wit_error)
        .with_context(|| format!("the module cannot be made a component of the world \"{world}\""))
}

fn contract(world: &str) -> anyhow::Result<(Resolve, WorldId)> {
    let mut files = SourceMap::new();
    for (name, text) in WIT {
        files.push_str(name, *text);
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
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
        let mut there: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".wit"))
            .collect();
        there.sort();
        assert_eq!(WIT.iter().map(|(name, _)| *name).collect::<Vec<_>>(), there, "name each file of wit/ in WIT");
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
