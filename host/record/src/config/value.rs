//! A value read by its type, and how Connect prints it.

use super::ConfigType;

/// A value of its key's type.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    Boolean(bool),
    Number(i64),
    Double(f64),
    /// A string or the name of a class.
    Text(String),
    List(Vec<String>),
    Password(String),
}

impl Parsed {
    /// Connect's text on why the value is not of the type.
    pub fn new(kind: ConfigType, given: &str) -> Result<Parsed, &'static str> {
        let v = given.trim();
        let whole = |least: i64, most: i64, what| match v.parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(Parsed::Number(n)),
            _ => Err(what),
        };
        Ok(match kind {
            ConfigType::Boolean if v.eq_ignore_ascii_case("true") => Parsed::Boolean(true),
            ConfigType::Boolean if v.eq_ignore_ascii_case("false") => Parsed::Boolean(false),
            ConfigType::Boolean => return Err("Expected value to be either true or false"),
            ConfigType::Int => whole(i32::MIN.into(), i32::MAX.into(), "Not a number of type INT")?,
            ConfigType::Short => whole(i16::MIN.into(), i16::MAX.into(), "Not a number of type SHORT")?,
            ConfigType::Long => whole(i64::MIN, i64::MAX, "Not a number of type LONG")?,
            ConfigType::Double => match v.parse::<f64>() {
                // Java knows no other words for what is not a finite number.
                Ok(d) if d.is_finite() || matches!(v.trim_start_matches(['-', '+']), "NaN" | "Infinity") => Parsed::Double(d),
                _ => return Err("Not a number of type DOUBLE"),
            },
            ConfigType::List if v.is_empty() => Parsed::List(Vec::new()),
            ConfigType::List => Parsed::List(v.split(',').map(|e| e.trim().to_owned()).collect()),
            ConfigType::String | ConfigType::Class => Parsed::Text(v.to_owned()),
            ConfigType::Password => Parsed::Password(v.to_owned()),
        })
    }

    /// As a setting: elements of a list between commas, passwords hidden.
    pub fn setting(&self) -> String {
        match self {
            Parsed::List(elements) => elements.join(","),
            other => other.to_string(),
        }
    }
}

/// As messages have it: elements of a list in brackets, passwords hidden.
impl std::fmt::Display for Parsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Parsed::Boolean(b) => b.fmt(f),
            Parsed::Number(n) => n.fmt(f),
            // `{:?}` keeps the fraction of whole numbers, as Java does.
            Parsed::Double(d) if d.is_finite() => write!(f, "{d:?}"),
            Parsed::Double(d) if d.is_nan() => f.write_str("NaN"),
            Parsed::Double(d) => f.write_str(if *d > 0.0 { "Infinity" } else { "-Infinity" }),
            Parsed::Text(text) => f.write_str(text),
            Parsed::List(elements) => write!(f, "[{}]", elements.join(", ")),
            Parsed::Password(_) => f.write_str("[hidden]"),
        }
    }
}
