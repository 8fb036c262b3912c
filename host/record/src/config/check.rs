//! Checks of one value, in Connect's order and with its texts: is it there, is it of its type, is it what it must be.
//!
//! A value that cannot be read counts as null to what follows, so one mistake may be told twice, as Connect does.

use super::{ConfigKey, ConfigType, Default, Parsed};
use crate::RawConfig;

/// What was written for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'a> {
    Absent,
    /// JSON's null.
    Null,
    Text(&'a str),
}

impl<'a> Given<'a> {
    pub fn of(config: &'a RawConfig, name: &str) -> Self {
        config.get(name).map_or(Given::Absent, |v| Given::Text(v))
    }
}

/// What a value must be, beyond its type. Messages are Connect's.
#[derive(Debug, Clone, Copy)]
pub enum Validator {
    AtLeast(i64),
    AtMost(i64),
    /// Null is well.
    NonEmpty,
    NonNull,
    /// Not empty and without control characters: the name of a connector.
    Name,
    /// Whatever the case; without null.
    OneOfIgnoringCase(&'static [&'static str]),
    /// A list with an element at least.
    NonEmptyList,
    /// A list that is neither null nor has an empty element or one twice; whether it may be empty.
    Distinct {
        empty: bool,
    },
    /// A list of aliases, each once.
    Aliases,
    /// Anything else: the whole message, given name and value.
    Custom(fn(&str, Option<&Parsed>) -> Result<(), String>),
}

/// A value and what is wrong with it.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Checked {
    /// None: null, or not of its type.
    pub value: Option<Parsed>,
    pub errors: Vec<String>,
}

impl ConfigKey {
    /// `name` is the key's whole name; `own` is the one its definition has, which validators call it by.
    pub fn check(&self, name: &str, own: &str, given: Given<'_>) -> Checked {
        let mut errors = Vec::new();
        let value = match (given, &self.default) {
            (Given::Null, _) | (Given::Absent, Default::Null) => None,
            (Given::Absent, Default::Required) => {
                errors.push(format!("Missing required configuration \"{name}\" which has no default value."));
                None
            }
            (Given::Absent, Default::Value(default)) => Parsed::new(self.kind, default).ok(),
            (Given::Text(text), _) => match Parsed::new(self.kind, text) {
                Ok(value) => Some(value),
                Err(why) => {
                    // A secret that is wrong is not repeated where everybody reads it.
                    let shown = if self.kind == ConfigType::Password { "[hidden]" } else { text };
                    errors.push(format!("Invalid value {shown} for configuration {name}: {why}"));
                    None
                }
            },
        };
        if !self.allowed.is_empty() && !self.allows(value.as_ref()) {
            errors.push(invalid(own, value.as_ref(), &format!("String must be one of: {}", self.allowed.join(", "))));
        }
        // A range is of what was given: without a default there is nothing to hold against it.
        let unset = given == Given::Absent && self.default == Default::Null;
        let of = |v: &&Validator| !(unset && matches!(v, Validator::AtLeast(_) | Validator::AtMost(_)));
        errors.extend(self.validators.iter().filter(of).filter_map(|v| v.check(own, value.as_ref()).err()));
        Checked { value, errors }
    }

    /// Whether it is one of the allowed values; of a list, every element. Null is allowed where it is the default.
    fn allows(&self, value: Option<&Parsed>) -> bool {
        let known = |v: &str| self.allowed.iter().any(|a| a == v);
        match value {
            None => self.default == Default::Null,
            Some(Parsed::List(elements)) => elements.iter().filter(|e| !e.is_empty()).all(|e| known(e)),
            Some(Parsed::Password(secret)) => known(secret),
            Some(other) => known(&other.to_string()),
        }
    }
}

fn invalid(name: &str, value: Option<&Parsed>, why: &str) -> String {
    match value {
        Some(value) => format!("Invalid value {value} for configuration {name}: {why}"),
        None => format!("Invalid value null for configuration {name}: {why}"),
    }
}

impl Validator {
    pub fn check(&self, name: &str, value: Option<&Parsed>) -> Result<(), String> {
        let wrong = |why: &str| Err(invalid(name, value, why));
        let (text, list) = match value {
            Some(Parsed::Text(text) | Parsed::Password(text)) => (Some(text.as_str()), None),
            Some(Parsed::List(list)) => (None, Some(list)),
            _ => (None, None),
        };
        let number = match value {
            Some(Parsed::Number(n)) => Some(*n as f64),
            Some(Parsed::Double(d)) => Some(*d),
            _ => None,
        };
        match *self {
            Validator::AtLeast(_) | Validator::AtMost(_) if number.is_none() => wrong("Value must be non-null"),
            Validator::AtLeast(least) if number < Some(least as f64) => wrong(&format!("Value must be at least {least}")),
            Validator::AtMost(most) if number > Some(most as f64) => wrong(&format!("Value must be no more than {most}")),
            Validator::NonEmpty if text == Some("") => wrong("String must be non-empty"),
            Validator::NonNull if value.is_none() => wrong("entry must be non null"),
            Validator::Name => name_check(name, text),
            Validator::OneOfIgnoringCase(words) if !text.is_some_and(|t| words.iter().any(|w| w.eq_ignore_ascii_case(t))) => {
                wrong(&format!("String must be one of (case insensitive): {}", words.join(", ")))
            }
            Validator::NonEmptyList if list.is_none_or(|l| l.is_empty()) => wrong("Empty list"),
            Validator::Distinct { empty } => distinct(name, list, empty),
            Validator::Aliases => match list {
                None => wrong("entry must be non null"),
                Some(list) if repeats(list) => wrong("Duplicate alias provided."),
                Some(_) => Ok(()),
            },
            Validator::Custom(check) => check(name, value),
            _ => Ok(()),
        }
    }
}

fn repeats(list: &[String]) -> bool {
    list.iter().enumerate().any(|(i, e)| list[..i].contains(e))
}

fn name_check(name: &str, text: Option<&str>) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    let invalid = |why: &str| Err(format!("Invalid value {text} for configuration {name}: {why}"));
    if text.is_empty() {
        return invalid("String may not be empty");
    }
    let controls: Vec<_> = text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    if controls.is_empty() {
        return Ok(());
    }
    invalid(&format!("String may not contain control sequences but had the following ASCII chars: {}", controls.join(", ")))
}

fn distinct(name: &str, list: Option<&Vec<String>>, empty: bool) -> Result<(), String> {
    let Some(list) = list else { return Err(format!("Configuration '{name}' values must not be null.")) };
    if list.is_empty() && !empty {
        return Err(format!("Configuration '{name}' must not be empty. Valid values include: any non-empty value"));
    }
    if repeats(list) {
        return Err(format!("Configuration '{name}' values must not be duplicated."));
    }
    if list.iter().any(String::is_empty) {
        return Err(format!("Configuration '{name}' values must not be empty."));
    }
    Ok(())
}
