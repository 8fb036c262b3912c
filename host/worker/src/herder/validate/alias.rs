//! Transforms and predicates: the keys of each alias, and those of the class that it names.

use millrace_record::config::{Checked, ConfigDef, ConfigKey, ConfigType, Default, Given, Importance, Parsed, Validator, Width};
use millrace_record::{PluginKind, StateLimits};

use super::infos::ConfigInfo;
use super::{Validation, below, list};
use crate::plugins::{Known, Requirement};
use crate::transforms::native::{INSTEAD, SINKS_ONLY};

/// The settings that name aliases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Transforms,
    Predicates,
}

impl Family {
    fn key(self) -> &'static str {
        match self {
            Family::Transforms => "transforms",
            Family::Predicates => "predicates",
        }
    }
    fn noun(self) -> &'static str {
        match self {
            Family::Transforms => "Transformation",
            Family::Predicates => "Predicate",
        }
    }
    fn group(self, alias: &str) -> String {
        match self {
            Family::Transforms => format!("Transforms: {alias}"),
            Family::Predicates => format!("Predicates: {alias}"),
        }
    }
    fn takes(self, known: &Known) -> bool {
        match self {
            Family::Transforms => known.is(PluginKind::Transform),
            Family::Predicates => known.is_predicate(),
        }
    }
}

/// One alias and the names of its keys.
struct Alias<'a> {
    family: Family,
    name: &'a str,
    prefix: String,
    group: String,
}

impl Validation<'_> {
    /// The keys of every alias of a family, in the order of the list.
    pub(super) async fn aliases(&mut self, family: Family) {
        let mut names: Vec<String> = match Parsed::new(ConfigType::List, self.config.get(family.key()).map_or("", |v| v)) {
            Ok(Parsed::List(names)) => names,
            _ => Vec::new(),
        };
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        for name in &names {
            let alias = Alias { family, name, prefix: format!("{}.{name}.", family.key()), group: family.group(name) };
            self.infos.groups.push(alias.group.clone());
            self.alias(&alias).await;
        }
    }

    async fn alias(&mut self, alias: &Alias<'_>) {
        let type_name = format!("{}type", alias.prefix);
        let version_name = format!("{}plugin.version", alias.prefix);
        let mut class = self.class(&type_name, Default::Required);
        if alias.family == Family::Transforms {
            self.negated_nothing(alias, &mut class.checked.errors);
        }
        if let (Some(known), true) = (&class.known, class.checked.errors.is_empty())
            && !alias.family.takes(known)
        {
            let why = format!("Class class {} does not implement the {} interface", known.class(), alias.family.noun());
            class.checked.errors.push(why);
            class.known = None;
        }
        if let Some(Known::Plugin(plugin)) = &class.known
            && self.plugin.info().kind == PluginKind::Source
            && plugin.info().capabilities.iter().any(|c| c == SINKS_ONLY)
        {
            let why = format!(
                "Invalid value {} for configuration {type_name}: it is for sinks, as records of a source are not in the log yet; {INSTEAD}",
                plugin.info().name
            );
            class.checked.errors.push(why);
        }
        if let Some(base) = &class.base {
            class.checked.errors.push(base.clone());
        }
        let mut known = class.known.filter(|k| alias.family.takes(k));

        let mut key = alias.key("type", ConfigType::Class, Default::Required, 0, "type");
        key.documentation = "The class, by its full or simple name.".into();
        let mut info = ConfigInfo::new(key.into(), class.checked);
        info.recommended = match alias.family {
            Family::Transforms => self.herder.plugins.transform_classes(),
            Family::Predicates => crate::plugins::predicate_classes(),
        };
        let version = known.as_ref().map(|k| k.version().to_owned());
        let versions = known.as_ref().map(|k| k.versions(&self.herder.plugins)).unwrap_or_default();
        let default = version.map_or(Default::Null, Default::Value);
        let mut key = alias.key("plugin.version", ConfigType::String, default, 1, "version");
        key.documentation = "Version of the class: one, or a range as Maven writes it.".into();
        let mut checked = key.check(&version_name, "plugin.version", self.given(&version_name));
        if let (Some(newest), Given::Text(text)) = (&known, self.given(&version_name))
            && let Ok(required) = Requirement::parse(text)
            && let Some(fitting) = newest.fitting(&self.herder.plugins, required.as_ref())
        {
            known = Some(fitting);
        }
        let well = match &known {
            Some(known) => self.version(&version_name, known, &mut [&mut info.errors, &mut checked.errors]),
            None => true,
        };
        let mut version_info = ConfigInfo::new(key.into(), checked);
        version_info.recommended = versions.into();
        self.infos.configs.extend([info, version_info]);
        if let Some(known) = known.filter(|_| well) {
            self.class_keys(alias, &known);
            if let Known::Plugin(plugin) = &known {
                self.asked(&**plugin, &below(self.config, &alias.prefix), &alias.prefix, "grants").await;
            }
        }
        self.unlisted_predicate(alias);
    }

    /// `negate` means nothing without a predicate.
    fn negated_nothing(&self, alias: &Alias<'_>, errors: &mut Vec<String>) {
        let (negate, predicate) = (format!("{}negate", alias.prefix), format!("{}predicate", alias.prefix));
        if self.given(&negate) != Given::Absent && self.given(&predicate) == Given::Absent {
            errors.push(format!(
                "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."
            ));
        }
    }

    /// The task would look for it in vain.
    fn unlisted_predicate(&mut self, alias: &Alias<'_>) {
        let key = format!("{}predicate", alias.prefix);
        if let Some(predicate) = self.config.get(&key).map(|p| p.trim()).filter(|p| !p.is_empty())
            && alias.family == Family::Transforms
            && !list(self.config, "predicates").iter().any(|p| p == predicate)
        {
            let why = format!("Invalid value {predicate} for configuration {key}: \"predicates\" does not list it");
            self.infos.error(&key, why);
        }
    }

    /// Those of the class, and what every transform has, in Connect's order.
    fn class_keys(&mut self, alias: &Alias<'_>, known: &Known) {
        let ConfigDef { mut keys } = known.config();
        if alias.family == Family::Transforms {
            keys.extend(every_transform());
        }
        // A plugin's groups and order are for its own page; here an alias is one group.
        let place = |k: &ConfigKey| {
            let order = if k.group.is_some() { k.order } else { 0 };
            (k.extension, k.group.clone(), order, k.default != Default::Required, k.importance as u8, k.name.clone())
        };
        keys.sort_by_cached_key(place);
        for (at, mut key) in (2..).zip(keys) {
            let own = key.name;
            key.name = format!("{}{own}", alias.prefix);
            let given = self.given(&key.name);
            if key.extension && given == Given::Absent {
                continue;
            }
            key.group = Some(alias.group.clone());
            key.order = at;
            let checked = key.check(&key.name, &own, given);
            self.infos.configs.push(ConfigInfo::new(key.into(), checked));
        }
    }
}

impl Alias<'_> {
    fn key(&self, name: &str, kind: ConfigType, default: Default, order: u32, what: &str) -> ConfigKey {
        let display = format!("{} {what} for {}", self.family.noun(), self.name);
        ConfigKey::new(format!("{}{name}", self.prefix), kind, default, Importance::High, "").shown(
            Some(&self.group),
            order,
            Width::Long,
            &display,
        )
    }
}

/// What the worker adds to a transform's own keys.
fn every_transform() -> [ConfigKey; 8] {
    let key = |name, kind, default, documentation| ConfigKey::new(name, kind, default, Importance::Medium, documentation);
    let mut grants = key(
        "grants",
        ConfigType::List,
        Default::Value(String::new()),
        "Capabilities that the transform may use beyond the base, such as files.",
    );
    let mut hosts = key(
        "http.hosts",
        ConfigType::List,
        Default::Value(String::new()),
        "Hosts that the transform may reach by the capability http, as in plugin.http.hosts.",
    );
    let limit = |name, default: u64, what| {
        key(name, ConfigType::Long, Default::Value(default.to_string()), what).must(Validator::AtLeast(1))
    };
    let state = StateLimits::default();
    let mut bytes =
        limit("state.max.bytes", state.bytes, "The most bytes that the transform may keep as its state, in each task.");
    let mut entries =
        limit("state.max.entries", state.entries, "The most entries that the transform may keep as its state, in each task.");
    let mut plain = key(
        "http.secrets.plain",
        ConfigType::Boolean,
        Default::Value("false".into()),
        "Whether the transform may send secrets by HTTP without TLS to other machines.",
    );
    let mut topics = key(
        "kafka.topics",
        ConfigType::List,
        Default::Value(String::new()),
        "Topics that the transform may write to by the capability kafka, as in plugin.kafka.topics.",
    );
    for key in [&mut grants, &mut hosts, &mut bytes, &mut entries, &mut plain, &mut topics] {
        key.importance = Importance::Low;
        key.extension = true;
    }
    [
        key("predicate", ConfigType::String, Default::Null, "Alias of the predicate that a record must meet."),
        key(
            "negate",
            ConfigType::Boolean,
            Default::Value("false".into()),
            "Whether the transform is for records that do not meet the predicate.",
        ),
        grants,
        hosts,
        bytes,
        entries,
        plain,
        topics,
    ]
}

/// A class that a setting names.
pub(super) struct Class {
    pub checked: Checked,
    pub known: Option<Known>,
    /// Why it is not a class to be made, when it is one below which others are.
    pub base: Option<String>,
}

impl Validation<'_> {
    /// Reads a setting of the type CLASS: its value becomes the full name of the class.
    pub(super) fn class(&self, name: &str, default: Default) -> Class {
        let given = self.given(name);
        let text = match (given, &default) {
            (Given::Text(text), _) => text,
            (Given::Absent, Default::Value(default)) => default,
            (Given::Absent, Default::Required) => {
                let missing = format!("Missing required configuration \"{name}\" which has no default value.");
                return Class { checked: Checked { value: None, errors: vec![missing] }, known: None, base: None };
            }
            _ => return Class { checked: Checked::default(), known: None, base: None },
        };
        let plugins = &self.herder.plugins;
        let known = plugins.known(text.trim());
        let full = known.as_ref().map(|k| k.class().to_owned());
        let below = if known.is_none() { plugins.below_base(text.trim()) } else { Vec::new() };
        if let Some(full) = full {
            return Class { checked: Checked { value: Some(Parsed::Text(full)), errors: Vec::new() }, known, base: None };
        }
        if !below.is_empty() {
            let why = format!("This class is abstract and cannot be created. Did you mean {}?", below.join(", "));
            let value = Some(Parsed::Text(text.trim().to_owned()));
            return Class { checked: Checked { value, errors: Vec::new() }, known: None, base: Some(why) };
        }
        let why = format!("Invalid value {text} for configuration {name}: Class {text} could not be found.");
        Class { checked: Checked { value: None, errors: vec![why] }, known: None, base: None }
    }
}
