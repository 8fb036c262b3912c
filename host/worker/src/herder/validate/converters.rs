//! Converters: the class, its version, and its own keys.

use std::sync::{Arc, LazyLock};

use millrace_record::config::{ConfigKey, Default, Given};
use millrace_record::convert::BUILT_IN;

use super::infos::{ConfigInfo, Definition};
use super::{Validation, below, java};
use crate::plugins::Known;

/// What a converter is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
    Header,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Key, Role::Value, Role::Header];

    /// The role whose class or version a key gives, and whether it is the version.
    pub fn of(key: &str) -> Option<(Role, bool)> {
        let (class, version) = key.strip_suffix(".plugin.version").map_or((key, false), |k| (k, true));
        Some((Role::ALL.into_iter().find(|r| r.key() == class)?, version))
    }
    pub fn key(self) -> &'static str {
        match self {
            Role::Key => "key.converter",
            Role::Value => "value.converter",
            Role::Header => "header.converter",
        }
    }
    fn name(self) -> &'static str {
        match self {
            Role::Key => "key",
            Role::Value => "value",
            Role::Header => "header",
        }
    }
    fn interface(self) -> &'static str {
        if self == Role::Header { "HeaderConverter" } else { "Converter" }
    }
    fn takes(self, known: &Known) -> bool {
        if self == Role::Header { known.is_header_converter() } else { known.is_converter() }
    }
    fn classes(self) -> Arc<[String]> {
        static CONVERTERS: LazyLock<Arc<[String]>> =
            LazyLock::new(|| BUILT_IN.iter().filter(|c| c.converter).map(|c| c.class.to_owned()).collect());
        static HEADERS: LazyLock<Arc<[String]>> =
            LazyLock::new(|| BUILT_IN.iter().filter(|c| c.header).map(|c| c.class.to_owned()).collect());
        if self == Role::Header { HEADERS.clone() } else { CONVERTERS.clone() }
    }
}

impl Validation<'_> {
    /// The class and the version of a role: both definitions depend on what the worker has.
    pub(super) fn converter(&mut self, role: Role, class_key: &Definition, version_key: &Definition) {
        let worker = self.herder.worker.raw.get(role.key()).cloned().unwrap_or_default();
        let mut key = ConfigKey::clone(&class_key.0);
        key.default = Default::Value(worker.clone());
        let mut class = self.class(role.key(), key.default.clone());
        if let Some(known) = &class.known
            && !role.takes(known)
        {
            let why = format!("Class class {} does not implement the {} interface", known.class(), role.interface());
            class.checked.errors.push(why);
        }
        let found = class.checked.value.is_some();
        let known = class.known.filter(|k| role.takes(k));
        let mut info = ConfigInfo::new(key.into(), class.checked);
        info.recommended = role.classes();

        // Of null, the worker's class counts.
        let of = match self.given(role.key()) {
            Given::Null => self.herder.plugins.known(&worker),
            _ => known.clone(),
        };
        let mut key = ConfigKey::clone(&version_key.0);
        key.default = of.map_or(Default::Null, |k| Default::Value(k.version().to_owned()));
        key.visible = found;
        let mut checked = key.check(&key.name, &key.name, self.given(&key.name));
        let name = key.name.clone();
        let well = match &known {
            Some(known) => self.version(&name, known, &mut [&mut info.errors, &mut checked.errors]),
            None => false,
        };
        let mut version = ConfigInfo::new(key.into(), checked);
        version.recommended = known.iter().map(|k| k.version().to_owned()).collect();
        self.infos.configs.extend([info, version]);
        if let Some(known) = known.filter(|_| well && matches!(self.given(role.key()), Given::Text(_))) {
            self.converters.push((role, known));
        }
    }

    /// The keys of the converters that the connector names itself; the worker's are not of the connector.
    pub(super) fn converter_keys(&mut self) {
        for (role, known) in std::mem::take(&mut self.converters) {
            let prefix = format!("{}.", role.key());
            let mut keys = known.config().keys;
            java::sort(&mut keys, |k| &k.name);
            for mut key in keys {
                let own = std::mem::take(&mut key.name);
                key.name = format!("{prefix}{own}");
                let given = match self.given(&key.name) {
                    Given::Absent if own == "converter.type" => Given::Text(role.name()),
                    given => given,
                };
                self.infos.add_group(&key.group);
                let checked = key.check(&own, &own, given);
                self.infos.configs.push(ConfigInfo::new(key.into(), checked));
            }
        }
    }

    /// What a converter says of its settings beyond its definition: it could not be made by the tasks either.
    pub(super) fn converters_can_be_made(&mut self) {
        for role in Role::ALL {
            let named = self.infos.get(role.key()).and_then(|info| info.value.clone());
            // The definitions have spoken.
            let prefix = format!("{}.", role.key());
            let wrong = |c: &ConfigInfo| (c.name() == role.key() || c.name().starts_with(&prefix)) && !c.errors.is_empty();
            let Some(class) = named.filter(|_| !self.infos.configs.iter().any(wrong)) else { continue };
            let own = self.config.contains_key(role.key());
            let settings = below(if own { self.config } else { &self.herder.worker.raw }, &prefix);
            let runtime = &self.herder.runtime;
            if let Err(why) = (runtime.converters)(&class, role == Role::Key, &settings, &runtime.schemas) {
                self.infos.error(role.key(), format!("Invalid value {class} for configuration {}: {why}", role.key()));
            }
        }
    }
}
