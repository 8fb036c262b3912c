//! Names of subjects: `orders-value` lies in the default context `.`, `:.eu:orders-value` in the context `.eu`.

use std::fmt;

use super::error::ApiError;

/// The context of subjects whose name names none.
pub const DEFAULT_CONTEXT: &str = ".";
/// Of settings that hold for all contexts.
const GLOBAL_CONTEXT: &str = ".__GLOBAL";
/// Names that mean something else where a subject is expected.
const RESERVED: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// A subject with its context; without a name it is the context itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    pub context: String,
    pub name: String,
}

impl Subject {
    /// Reads a name as clients and the log write it; never fails.
    pub fn parse(text: &str) -> Subject {
        if let Some(rest) = text.strip_prefix(':').filter(|rest| rest.starts_with('.')) {
            let (context, name) = rest.split_once(':').unwrap_or((rest, ""));
            return Subject { context: context.to_owned(), name: name.to_owned() };
        }
        Subject { context: DEFAULT_CONTEXT.to_owned(), name: text.to_owned() }
    }

    /// As a subject that a schema may be registered under.
    pub fn valid(text: &str) -> Result<Subject, ApiError> {
        let subject = Subject::parse(text);
        let control = text.chars().any(char::is_control);
        if control || subject.name.is_empty() || RESERVED.contains(&subject.name.as_str()) {
            return Err(ApiError::invalid_subject(text));
        }
        Ok(subject)
    }

    /// What a setting is for: None for all contexts.
    pub fn scope(text: &str) -> Result<Option<Subject>, ApiError> {
        let subject = Subject::parse(text);
        if text.chars().any(char::is_control) || RESERVED.contains(&subject.name.as_str()) {
            return Err(ApiError::invalid_subject(text));
        }
        Ok((!(subject.name.is_empty() && [GLOBAL_CONTEXT, DEFAULT_CONTEXT].contains(&subject.context.as_str())))
            .then_some(subject))
    }

    /// A name in a schema's reference: without a context of its own it is one of this subject's context.
    pub fn beside(&self, reference: &str) -> Subject {
        let mut other = Subject::parse(reference);
        if !reference.starts_with(":.") {
            other.context.clone_from(&self.context);
        }
        other
    }

    /// A context itself.
    pub fn context(context: &str) -> Subject {
        Subject { context: context.to_owned(), name: String::new() }
    }

    /// With its context, the default one too.
    pub fn qualified(&self) -> String {
        format!(":{}:{}", self.context, self.name)
    }

    /// The context as a scope of settings; None for the default context, whose settings are those of all.
    pub fn context_scope(&self) -> Option<Subject> {
        (self.context != DEFAULT_CONTEXT).then(|| Subject { context: self.context.clone(), name: String::new() })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.context == DEFAULT_CONTEXT { f.write_str(&self.name) } else { write!(f, ":{}:{}", self.context, self.name) }
    }
}

/// `subjectPrefix`: of the default context, of one context (`:.eu:`), or of all (`:*:`).
pub struct Prefix {
    context: Option<String>,
    name: String,
}

impl Prefix {
    /// Nothing given: everything.
    pub fn parse(text: Option<&str>) -> Prefix {
        match text {
            None => Prefix { context: None, name: String::new() },
            Some(text) => match text.strip_prefix(":*:") {
                Some(name) => Prefix { context: None, name: name.to_owned() },
                None => {
                    let subject = Subject::parse(text);
                    Prefix { context: Some(subject.context), name: subject.name }
                }
            },
        }
    }

    pub fn takes(&self, subject: &Subject) -> bool {
        self.context.as_ref().is_none_or(|c| *c == subject.context) && subject.name.starts_with(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contexts() {
        let check = |text: &str, context: &str, name: &str, shown: &str| {
            let subject = Subject::parse(text);
            assert_eq!((subject.context.as_str(), subject.name.as_str()), (context, name), "{text}");
            assert_eq!(subject.to_string(), shown);
        };
        check("orders", ".", "orders", "orders");
        check(":.eu:orders", ".eu", "orders", ":.eu:orders");
        check(":.:orders", ".", "orders", "orders");
        check(":.eu:", ".eu", "", ":.eu:");
        check(":.eu", ".eu", "", ":.eu:");
        check(":eu:orders", ".", ":eu:orders", ":eu:orders");
        check(":.eu:a:b", ".eu", "a:b", ":.eu:a:b");
        assert!(Subject::valid("a\u{1}").is_err() && Subject::valid("").is_err() && Subject::valid("__GLOBAL").is_err());
        assert_eq!(Subject::scope(":.__GLOBAL:").unwrap(), None);
        assert_eq!(Subject::parse(":.eu:a").beside("b").to_string(), ":.eu:b");
        assert_eq!(Subject::parse(":.eu:a").beside(":.us:b").to_string(), ":.us:b");
    }

    #[test]
    fn prefixes() {
        let takes = |prefix: Option<&str>, subject: &str| Prefix::parse(prefix).takes(&Subject::parse(subject));
        assert!(takes(None, ":.eu:a") && takes(Some(":*:a"), ":.eu:ab") && takes(Some(""), "a"));
        assert!(!takes(Some(""), ":.eu:a") && !takes(Some("b"), "a") && takes(Some(":.eu:"), ":.eu:a"));
    }
}
