//! What `/plugins` answers, as the OpenAPI document describes it.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use utoipa::ToSchema;

use super::plugin_schemas::PluginType;

/// Where a plugin is from.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum PluginSource {
    /// It is part of the worker.
    BuiltIn,
    /// It was found on `plugin.path`.
    Path,
    Upload,
}

/// A plugin in one version.
#[derive(ToSchema)]
pub struct InstalledPlugin {
    /// Its short name.
    name: String,
    r#type: PluginType,
    class: String,
    version: String,
    /// Of the component; null where there is none.
    #[schema(required)]
    sha256: Option<String>,
    #[schema(required)]
    bytes: Option<u64>,
    source: PluginSource,
    #[schema(required)]
    file: Option<String>,
    /// A rollback has left it: it is taken only where no other version will do.
    withdrawn: bool,
    /// Capabilities that must be granted to it.
    needs: Vec<String>,
    /// Connectors whose configuration takes this version.
    used_by: Vec<String>,
}

/// A connector that stays at the version it has.
#[derive(ToSchema)]
pub struct NotMoved {
    connector: String,
    /// Why its configuration is not valid for the other version.
    reason: String,
}

/// What became of an upload.
#[derive(ToSchema)]
pub struct UploadedPlugin {
    /// Its short name.
    name: String,
    r#type: PluginType,
    class: String,
    version: String,
    sha256: String,
    bytes: u64,
    source: PluginSource,
    file: String,
    withdrawn: bool,
    used_by: Vec<String>,
    /// Connectors that move to it.
    moved: Vec<String>,
    refused: Vec<NotMoved>,
}

/// What became of a rollback.
#[derive(ToSchema)]
pub struct RolledBack {
    name: String,
    r#type: PluginType,
    /// The version that was withdrawn.
    withdrawn: String,
    /// The version that is taken now.
    version: String,
    moved: Vec<String>,
    refused: Vec<NotMoved>,
}
