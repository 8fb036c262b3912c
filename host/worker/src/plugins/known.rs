//! What a class name may name, of any kind: a plugin, a built-in converter or a predicate.

use std::sync::{Arc, LazyLock};

use millrace_record::config::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Validator};
use millrace_record::convert::{BUILT_IN, BuiltIn};
use millrace_record::{Plugin, PluginKind};

use super::{Installed, Plugins, Requirement, VERSION, class, kind_name};
use crate::pattern::REGEX;

/// A predicate that the worker has built in.
pub struct Predicate {
    /// Fully qualified.
    pub class: &'static str,
    keys: fn() -> Vec<ConfigKey>,
}

/// All of them, sorted by class.
pub static PREDICATES: &[Predicate] = &[
    Predicate {
        class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        keys: || vec![text("name", "The header that a record must have.").must(Validator::NonEmpty)],
    },
    Predicate { class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone", keys: Vec::new },
    Predicate {
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        keys: || {
            let pattern = text("pattern", "A regular expression that the whole name of the record's topic must match.");
            vec![pattern.must(Validator::NonEmpty).must(REGEX)]
        },
    },
];

/// Of all of them.
pub fn predicate_classes() -> Arc<[String]> {
    static CLASSES: LazyLock<Arc<[String]>> = LazyLock::new(|| PREDICATES.iter().map(|p| p.class.to_owned()).collect());
    CLASSES.clone()
}

fn text(name: &str, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::String, Default::Required, Importance::Medium, documentation)
}

/// What a name stands for.
#[derive(Clone)]
pub enum Known {
    Plugin(Arc<dyn Plugin>),
    Converter(&'static BuiltIn),
    Predicate(&'static Predicate),
}

impl Known {
    pub fn class(&self) -> &str {
        match self {
            Known::Plugin(plugin) => class(&**plugin),
            Known::Converter(converter) => converter.class,
            Known::Predicate(predicate) => predicate.class,
        }
    }

    pub fn version(&self) -> &str {
        match self {
            Known::Plugin(plugin) => &plugin.info().version,
            Known::Converter(_) | Known::Predicate(_) => VERSION,
        }
    }

    /// Oldest first, and as Connect counts them: a class of two kinds has each version twice.
    pub fn versions(&self, plugins: &Plugins) -> Vec<String> {
        match self {
            Known::Plugin(plugin) => plugins.versions(&**plugin),
            Known::Converter(c) if c.converter && c.header => vec![VERSION.to_owned(); 2],
            Known::Converter(_) | Known::Predicate(_) => vec![VERSION.to_owned()],
        }
    }

    /// The same in the newest version that fits.
    pub fn fitting(&self, plugins: &Plugins, required: Option<&Requirement>) -> Option<Known> {
        match self {
            Known::Plugin(plugin) => plugins.fitting(plugin, required).map(Known::Plugin),
            _ => required.is_none_or(|r| r.has(self.version())).then(|| self.clone()),
        }
    }

    /// Its own keys.
    pub fn config(&self) -> ConfigDef {
        match self {
            Known::Plugin(plugin) => plugin.info().config.clone(),
            Known::Converter(converter) => converter.config(),
            Known::Predicate(predicate) => ConfigDef { keys: (predicate.keys)() },
        }
    }

    pub fn is_converter(&self) -> bool {
        matches!(self, Known::Converter(c) if c.converter)
    }

    pub fn is_header_converter(&self) -> bool {
        matches!(self, Known::Converter(c) if c.header)
    }

    pub fn is_predicate(&self) -> bool {
        matches!(self, Known::Predicate(_))
    }

    pub fn is(&self, kind: PluginKind) -> bool {
        matches!(self, Known::Plugin(p) if p.info().kind == kind)
    }
}

impl Plugins {
    /// Whatever has this name: a full class name, a simple one, an alias or our short name.
    pub fn known(&self, name: &str) -> Option<Known> {
        let plugin = self.named(name, None).into_iter().next().map(Known::Plugin);
        let converter = || BuiltIn::find(name).map(Known::Converter);
        let predicate = || {
            let simple = |class: &str| class.rsplit('.').next() == Some(name);
            PREDICATES.iter().find(|p| p.class == name || simple(p.class)).map(Known::Predicate)
        };
        plugin.or_else(converter).or_else(predicate)
    }

    /// The plugins that have this name: a source and a sink may share a short one.
    pub fn of_any_kind(&self, name: &str) -> Vec<Known> {
        self.named(name, None).into_iter().map(Known::Plugin).collect()
    }

    /// The classes that stand in for a base class, `...HoistField`, which is none itself: `...HoistField$Key` and so on.
    pub fn below_base(&self, base: &str) -> Vec<String> {
        let set = self.now();
        let classes = set.all().iter().map(|i| class(&*i.plugin));
        let mut below: Vec<_> =
            classes.filter(|c| c.strip_prefix(base).is_some_and(|rest| rest.starts_with('$'))).map(str::to_owned).collect();
        below.dedup();
        below
    }

    /// Class, kind and version of everything, in Connect's order; or of connectors alone.
    pub fn listing(&self, connectors_only: bool) -> Vec<(String, &'static str, String)> {
        let set = self.now();
        let plugins = set.all().iter().filter(|i| !connectors_only || i.kind() != PluginKind::Transform);
        let entry = |i: &Installed| (class(&*i.plugin).to_owned(), kind_name(i.kind()), i.version().to_owned());
        let mut all: Vec<_> = plugins.map(entry).collect();
        if !connectors_only {
            let own = |class: &str, kind| (class.to_owned(), kind, VERSION.to_owned());
            all.extend(PREDICATES.iter().map(|p| own(p.class, "predicate")));
            all.extend(BUILT_IN.iter().filter(|c| c.converter).map(|c| own(c.class, "converter")));
            all.extend(BUILT_IN.iter().filter(|c| c.header).map(|c| own(c.class, "header_converter")));
        }
        all
    }
}
