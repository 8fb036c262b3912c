//! Grants, as the OpenAPI document describes them.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What the plugins of a connector need, and were granted.
#[derive(ToSchema)]
#[schema(example = json!({"name": "orders", "plugins": [{
    "transform": "enrich", "plugin": "look-up", "version": "1.2.0", "capabilities": [{
        "name": "http", "import": "millrace:plugin/http@0.1.0", "granted": true, "by": "transforms.enrich.grants", "allowed": true,
        "settings": {"transforms.enrich.http.hosts": "api.example.com"}, "bindings": [],
    }],
}]}))]
pub struct ConnectorGrants {
    name: String,
    /// The connector's own plugin first.
    plugins: Vec<PluginGrants>,
}

/// One plugin of a connector.
#[derive(ToSchema)]
pub struct PluginGrants {
    /// The transform's alias; null: the source or sink itself.
    #[schema(required)]
    transform: Option<String>,
    plugin: String,
    version: String,
    capabilities: Vec<CapabilityGrant>,
}

/// A capability that needs a grant.
#[derive(ToSchema)]
pub struct CapabilityGrant {
    name: String,
    /// What the component imports.
    import: String,
    granted: bool,
    /// The setting that grants it; null: none does.
    #[schema(required)]
    by: Option<String>,
    /// Whether the worker's policy lets connectors grant it.
    allowed: bool,
    /// The connector's settings that say how far it reaches.
    settings: BTreeMap<String, String>,
    /// What it opens, and the settings that say where that is.
    bindings: Vec<GrantBinding>,
}

/// Something outside that a plugin opens.
#[derive(ToSchema)]
pub struct GrantBinding {
    name: String,
    keys: Vec<String>,
}
