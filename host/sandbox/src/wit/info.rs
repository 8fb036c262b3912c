//! What a plugin says of itself.

use std::collections::HashSet;

use millrace_record::config::{ConfigDef, ConfigKey, ConfigType, Default as Given, Importance, Validator, Width};
use millrace_record::{Binding, PluginInfo, PluginKind, row};

use crate::bindings::types;
use crate::capabilities::CAPABILITIES;

/// Checks and takes over a description; `kind` is what the component's exports say.
pub(crate) fn lift(info: types::PluginInfo, kind: PluginKind) -> Result<PluginInfo, String> {
    let said = match info.kind {
        types::PluginKind::Source => PluginKind::Source,
        types::PluginKind::Sink => PluginKind::Sink,
        types::PluginKind::Transform => PluginKind::Transform,
    };
    if said != kind {
        return Err(format!("it calls itself a {said:?}, but exports a {kind:?}").to_lowercase());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if info.name.is_empty() || !info.name.chars().all(plain) {
        return Err(format!("its name \"{}\" is not letters, digits, dashes, dots and underscores", info.name));
    }
    if !info.row_formats.contains(&row::FORMAT) {
        return Err(format!("it understands the row formats {:?}, this worker has {}", info.row_formats, row::FORMAT));
    }
    let mut names = HashSet::new();
    for key in &info.keys {
        if !names.insert(key.name.as_str()) {
            return Err(format!("it declares the configuration key \"{}\" twice", key.name));
        }
    }
    for binding in &info.bindings {
        if !CAPABILITIES.iter().any(|c| c.name == binding.capability && !c.free) {
            return Err(format!("its binding \"{}\" is of an unknown capability \"{}\"", binding.name, binding.capability));
        }
        // A key may be a dynamic one, so it need not be declared; a part must name one.
        if let Some((part, _)) = binding.parts.iter().find(|(_, key)| key.is_empty()) {
            return Err(format!("the part \"{part}\" of its binding \"{}\" names no configuration key", binding.name));
        }
    }
    let keys = info.keys.into_iter().map(key).collect::<Result<_, _>>()?;
    Ok(PluginInfo {
        kind,
        name: info.name,
        version: info.version,
        documentation: info.documentation,
        class_names: info.class_names,
        config: ConfigDef { keys },
        bindings: info.bindings.into_iter().map(|b| Binding { name: b.name, capability: b.capability, parts: b.parts }).collect(),
        capabilities: info.capabilities,
    })
}

fn key(key: types::ConfigKey) -> Result<ConfigKey, String> {
    let kind = match key.kind {
        types::ConfigType::Boolean => ConfigType::Boolean,
        types::ConfigType::Text => ConfigType::String,
        types::ConfigType::Int => ConfigType::Int,
        types::ConfigType::Short => ConfigType::Short,
        types::ConfigType::Long => ConfigType::Long,
        types::ConfigType::Double => ConfigType::Double,
        types::ConfigType::List => ConfigType::List,
        types::ConfigType::Class => ConfigType::Class,
        types::ConfigType::Password => ConfigType::Password,
    };
    let default = match (key.default_value, key.nullable) {
        (Some(value), _) => Given::Value(value),
        (None, true) => Given::Null,
        (None, false) => Given::Required,
    };
    let importance = match key.importance {
        types::Importance::High => Importance::High,
        types::Importance::Medium => Importance::Medium,
        types::Importance::Low => Importance::Low,
    };
    let mut lifted = ConfigKey::new(key.name, kind, default, importance, key.documentation);
    lifted.group = key.group;
    lifted.order = key.order_in_group;
    lifted.display_name = key.display_name;
    lifted.dependents = key.dependents;
    lifted.allowed = key.allowed;
    for (name, value) in key.attributes {
        attribute(&mut lifted, &name, &value).map_err(|why| {
            format!("the attribute \"{name}\" of its configuration key \"{}\" is \"{value}\": {why}", lifted.name)
        })?;
    }
    Ok(lifted)
}

/// Attributes that this worker does not know are of a newer contract, and left alone.
fn attribute(key: &mut ConfigKey, name: &str, value: &str) -> Result<(), &'static str> {
    let number = || value.parse::<i64>().map_err(|_| "it must be a whole number");
    let flag = || value.parse::<bool>().map_err(|_| "it must be true or false");
    match name {
        "width" => {
            key.width = match value {
                "none" => Width::None,
                "short" => Width::Short,
                "medium" => Width::Medium,
                "long" => Width::Long,
                _ => return Err("it must be none, short, medium or long"),
            }
        }
        "least" => key.validators.push(Validator::AtLeast(number()?)),
        "most" => key.validators.push(Validator::AtMost(number()?)),
        "non-empty" if flag()? => key.validators.push(match key.kind {
            ConfigType::List => Validator::NonEmptyList,
            _ => Validator::NonEmpty,
        }),
        "recommended" => key.recommended.push(value.to_owned()),
        "visible" => key.visible = flag()?,
        "extension" => key.extension = flag()?,
        "begins" => key.begins = Some(value.to_owned()),
        _ => {}
    }
    Ok(())
}
