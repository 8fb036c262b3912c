//! What plugins of the contract's first version say of themselves, as those of today say it.

use crate::bindings::first::exports::millrace::plugin::plugin as was;
use crate::bindings::first::millrace::plugin::types as first;
use crate::bindings::types as now;

pub(crate) fn info(info: was::PluginInfo) -> now::PluginInfo {
    let binding = |b: first::Binding| now::Binding { name: b.name, capability: b.capability, parts: b.parts };
    now::PluginInfo {
        kind: match info.kind {
            first::PluginKind::Transform => now::PluginKind::Transform,
            first::PluginKind::Source => now::PluginKind::Source,
            first::PluginKind::Sink => now::PluginKind::Sink,
        },
        name: info.name,
        version: info.version,
        documentation: info.documentation,
        class_names: info.class_names,
        keys: info.keys.into_iter().map(key).collect(),
        bindings: info.bindings.into_iter().map(binding).collect(),
        row_formats: info.row_formats,
        capabilities: info.capabilities,
    }
}

fn key(key: first::ConfigKey) -> now::ConfigKey {
    now::ConfigKey {
        name: key.name,
        kind: match key.kind {
            first::ConfigType::Boolean => now::ConfigType::Boolean,
            first::ConfigType::Text => now::ConfigType::Text,
            first::ConfigType::Int => now::ConfigType::Int,
            first::ConfigType::Short => now::ConfigType::Short,
            first::ConfigType::Long => now::ConfigType::Long,
            first::ConfigType::Double => now::ConfigType::Double,
            first::ConfigType::List => now::ConfigType::List,
            first::ConfigType::Class => now::ConfigType::Class,
            first::ConfigType::Password => now::ConfigType::Password,
        },
        default_value: key.default_value,
        nullable: key.nullable,
        importance: match key.importance {
            first::Importance::High => now::Importance::High,
            first::Importance::Medium => now::Importance::Medium,
            first::Importance::Low => now::Importance::Low,
        },
        documentation: key.documentation,
        group: key.group,
        order_in_group: key.order_in_group,
        display_name: key.display_name,
        dependents: key.dependents,
        allowed: key.allowed,
        attributes: Vec::new(),
    }
}

pub(crate) fn issue(issue: was::ConfigIssue) -> now::ConfigIssue {
    now::ConfigIssue { name: issue.name, message: issue.message, recommended: issue.recommended }
}
