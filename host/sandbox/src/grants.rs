//! Which imports a component has, and which of them it was granted.

use std::path::Path;

use millrace_record::TaskError;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::capabilities::{CAPABILITIES, Capability, wasi};
use crate::error::LoadError;

/// The contract's package, and the version that this host offers.
pub(crate) const PACKAGE: &str = "millrace:plugin";
pub(crate) const VERSION: &str = "0.1.0";
/// While 0.x, the minor is the line within which versions agree.
const LINE: &str = "0.1.";

/// The capabilities that need a grant.
pub fn grantable() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().filter(|c| !c.free).map(|c| c.name)
}

/// An import that needs a grant.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub import: String,
    pub capability: &'static str,
}

/// Splits `millrace:plugin/source@0.1.0`; none for another package.
pub(crate) fn of_contract(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

pub(crate) fn of_our_line(version: &str) -> bool {
    version.starts_with(LINE)
}

/// What a component imports that needs a grant; refused when it imports what nobody can grant.
pub(crate) fn needs(engine: &Engine, component: &Component) -> Result<Vec<Need>, LoadError> {
    let ty = component.component_type();
    let mut needs = Vec::new();
    for (import, _) in ty.imports(engine) {
        if wasi::offers(import) {
            continue;
        }
        let Some((interface, version)) = of_contract(import) else {
            return Err(LoadError::UnknownImport { import: import.to_owned() });
        };
        if !of_our_line(version) {
            return Err(LoadError::Version { found: import.to_owned(), offered: VERSION });
        }
        match CAPABILITIES.iter().find(|c| c.name == interface) {
            None => return Err(LoadError::UnknownImport { import: import.to_owned() }),
            Some(Capability { name, free: false, .. }) => needs.push(Need { import: import.to_owned(), capability: name }),
            Some(_) => {}
        }
    }
    Ok(needs)
}

/// The grants that whoever installed the component put beside it: `NAME.grants`, a capability per line.
pub(crate) fn installed(component: &Path) -> Result<Vec<String>, std::io::Error> {
    let text = match std::fs::read_to_string(component.with_extension("grants")) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default().trim());
    Ok(lines.filter(|l| !l.is_empty()).map(str::to_owned).collect())
}

/// Refuses when a need is in neither list, or beyond what the worker lets anyone grant (`allowed`; none: everything).
pub(crate) fn check(
    plugin: &str,
    file: &Path,
    needs: &[Need],
    allowed: Option<&[String]>,
    installed: &[String],
    grants: &[String],
) -> Result<(), TaskError> {
    let beyond = |n: &&Need| allowed.is_some_and(|allowed| !allowed.iter().any(|a| a == n.capability));
    if let Some(Need { import, capability }) = needs.iter().find(beyond) {
        let mut refused = TaskError::config(
            "plugin.grants",
            format!(
                "plugin \"{plugin}\" imports {import}, which this worker grants to no plugin: use another plugin, or add \"{capability}\" to the worker's \"plugin.grants.allowed\", which is \"{}\"",
                allowed.unwrap_or_default().join(",")
            ),
        );
        refused.code = "plugin.not-allowed".into();
        return Err(refused);
    }
    let granted = |c: &str| installed.iter().chain(grants).any(|g| g == c);
    let Some(missing) = needs.iter().find(|n| !granted(n.capability)) else { return Ok(()) };
    let (import, capability) = (&missing.import, missing.capability);
    let sidecar = file.with_extension("grants");
    let mut refused = TaskError::config(
        "plugin.grants",
        format!(
            "plugin \"{plugin}\" imports {import}, which it was not granted: set \"plugin.grants={capability}\" (for a transform \"transforms.<alias>.grants={capability}\") in the connector's configuration, or write \"{capability}\" into {}",
            sidecar.display()
        ),
    );
    refused.code = "plugin.not-granted".into();
    Err(refused)
}
