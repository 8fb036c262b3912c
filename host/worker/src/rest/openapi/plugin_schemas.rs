//! What `/connector-plugins` answers, as the OpenAPI document describes it.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use utoipa::ToSchema;

/// A plugin that the worker has.
#[derive(ToSchema)]
#[schema(example = json!({"class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "type": "source", "version": "0.1.0"}))]
pub struct PluginInfo {
    class: String,
    r#type: PluginType,
    /// Absent for plugins that have none.
    #[schema(nullable = false)]
    version: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum PluginType {
    Source,
    Sink,
    Converter,
    HeaderConverter,
    Transformation,
    Predicate,
}

/// What a setting means.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "topic", "type": "STRING", "required": true, "default_value": null, "importance": "HIGH",
    "documentation": "The topic to publish data to", "group": null, "order_in_group": -1, "width": "NONE",
    "display_name": "topic", "dependents": [], "order": -1,
}))]
pub struct ConfigKeyInfo {
    name: String,
    r#type: ConfigType,
    required: bool,
    #[schema(required)]
    default_value: Option<String>,
    importance: Importance,
    documentation: Option<String>,
    #[schema(required)]
    group: Option<String>,
    /// Where it stands in its group, -1 without one.
    order_in_group: i32,
    width: Width,
    display_name: String,
    /// Settings whose meaning or visibility depends on this one.
    dependents: Vec<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum Importance {
    High,
    Medium,
    Low,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum Width {
    None,
    Short,
    Medium,
    Long,
}

/// A setting's value and what is wrong with it.
#[derive(ToSchema)]
#[schema(example = json!({"name": "topic", "value": "lines", "recommended_values": [], "errors": [], "visible": true}))]
pub struct ConfigValueInfo {
    name: String,
    /// The value given, else the default; a password is `[hidden]`.
    #[schema(required)]
    value: Option<String>,
    recommended_values: Vec<String>,
    errors: Vec<String>,
    /// Whether the setting matters beside the values of the others.
    visible: bool,
}

#[derive(ToSchema)]
pub struct ConfigInfo {
    /// Null for a setting that nobody has defined.
    #[schema(required)]
    definition: Option<ConfigKeyInfo>,
    value: ConfigValueInfo,
}

/// A whole configuration, setting by setting.
#[derive(ToSchema)]
pub struct ConfigInfos {
    /// The class of the plugin.
    name: String,
    /// How many errors there are in all settings.
    error_count: u32,
    groups: Vec<String>,
    configs: Vec<ConfigInfo>,
}
