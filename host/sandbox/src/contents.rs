//! What a component's file imports and exports, told without compiling or running any of it: for people who want to know what
//! a plugin needs, or why it would be refused. Whether it is taken, [`Sandbox::load`](crate::Sandbox::load) alone says.

use wit_component::DecodedWasm;

use crate::capabilities::CAPABILITIES;
use crate::grants;

/// What a component is from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The contract it was built against: `millrace:plugin@0.1.0`; none: none.
    pub contract: Option<String>,
    /// The contract's world that it fits: `transform-plugin`.
    pub world: Option<String>,
    pub exports: Vec<String>,
    pub imports: Vec<(String, Need)>,
}

/// What an import needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Every plugin has it.
    Nothing,
    /// This grant.
    Grant(&'static str),
    /// The contract does not know it.
    Unknown,
}

/// None: the bytes are no component.
pub fn of(wasm: &[u8]) -> Option<Contents> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(wasm).ok()? else { return None };
    let world = resolve.worlds.get(world)?;
    let exports: Vec<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).map(|name| {
        let need = need(&name);
        (name, need)
    });
    let exported: Vec<(&str, &str)> = exports.iter().filter_map(|name| grants::of_contract(name)).collect();
    let contract = exported.first().map(|(_, version)| format!("{}@{version}", grants::PACKAGE));
    let kind = exported.iter().find(|(interface, _)| ["source", "sink", "transform", "plain"].contains(interface));
    let imports = imports.collect();
    Some(Contents { contract, world: kind.map(|(kind, _)| format!("{kind}-plugin")), exports, imports })
}

fn need(import: &str) -> Need {
    let Some((interface, version)) = grants::of_contract(import) else { return Need::Unknown };
    match CAPABILITIES.iter().find(|c| c.name == interface) {
        Some(_) if !grants::of_our_line(version) => Need::Unknown,
        Some(c) if c.free => Need::Nothing,
        Some(c) => Need::Grant(c.name),
        None => Need::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_those_of_the_capabilities() {
        assert_eq!(need("millrace:plugin/clock@0.1.0"), Need::Nothing);
        assert_eq!(need("millrace:plugin/files@0.1.0"), Need::Grant("files"));
        assert_eq!(need("millrace:plugin/files@9.1.0"), Need::Unknown);
        assert_eq!(need("millrace:plugin/telepathy@0.1.0"), Need::Unknown);
        assert_eq!(need("wasi:sockets/tcp@0.2.0"), Need::Unknown);
        assert_eq!(of(b"no component"), None);
    }
}
