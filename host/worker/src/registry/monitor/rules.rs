//! What is done about changes, by patterns of subjects.
//!
//! A pattern is a subject with `*` for any characters. Of the rules that match a subject each setting is taken from the
//! most specific rule that has it: the one with the most characters beside `*`; of two such, the later by name.

use std::collections::BTreeMap;

use millrace_registry::compatibility::Level;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// How many rules there may be.
pub const RULES_MAX: usize = 1_000;
/// How many webhooks one rule may have.
pub const WEBHOOKS_MAX: usize = 20;

/// The shape of what a webhook gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The event as REST shows it.
    #[default]
    Generic,
    /// A message as Slack's incoming webhooks take it, and what speaks their language.
    Slack,
}

/// Where changes are told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// http or https.
    pub url: String,
    #[serde(default)]
    pub format: WebhookFormat,
    /// What the signature is made with; may be a reference to a config provider, `${env:NAME}`. Shown as `[hidden]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Webhook {
    /// Its name where its URL must not be read, for that may hold a secret. Another secret of the signature is no other webhook.
    pub fn name(&self) -> String {
        let digest = Sha256::digest(format!("{:?} {}", self.format, self.url));
        digest[..16].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// What is done about the subjects of a pattern. What is left out is left to less specific rules, then to the worker's
/// settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Subjects, with `*` for any characters.
    pub pattern: String,
    /// An empty list: nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<Webhook>>,
    /// The level by which versions are compared, in place of the subject's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub level: Option<Level>,
    /// True: changes are kept and shown by REST, and told to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Whether an incompatible change stops sinks that read the subject and do not say so themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<bool>,
}

impl Rule {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.pattern.trim().is_empty() || self.pattern.len() > 512 {
            return Err("\"pattern\" must name subjects, with * for any characters, in at most 512 bytes".into());
        }
        let webhooks = self.webhooks.as_deref().unwrap_or_default();
        if webhooks.len() > WEBHOOKS_MAX {
            return Err(format!("\"webhooks\" has {} elements: {WEBHOOKS_MAX} are the most of one rule", webhooks.len()));
        }
        webhooks.iter().try_for_each(|w| check_url(&w.url))
    }

    /// Without what must not be shown.
    pub fn shown(&self) -> Rule {
        let mut rule = self.clone();
        for webhook in rule.webhooks.iter_mut().flatten() {
            if webhook.secret.as_ref().is_some_and(|s| !s.contains("${")) {
                webhook.secret = Some(crate::secrets::HIDDEN.to_owned());
            }
        }
        rule
    }

    /// A secret that came as it is shown keeps its value.
    pub fn with_secrets_of(mut self, before: Option<&Rule>) -> Result<Rule, String> {
        for webhook in self.webhooks.iter_mut().flatten() {
            if webhook.secret.as_deref() != Some(crate::secrets::HIDDEN) {
                continue;
            }
            let of = before.and_then(|r| r.webhooks.as_ref()?.iter().find(|w| w.url == webhook.url)?.secret.clone());
            let missing = || format!("\"secret\" of the webhook {} is hidden and not known: send it", webhook.url);
            webhook.secret = Some(of.ok_or_else(missing)?);
        }
        Ok(self)
    }
}

pub fn check_url(url: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("webhook URL \"{url}\" {why}: set an http or https URL"));
    match reqwest::Url::parse(url) {
        Err(error) => wrong(&format!("cannot be read ({error})")),
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => wrong("is not of HTTP"),
        Ok(parsed) if !parsed.has_host() => wrong("has no host"),
        Ok(_) => Ok(()),
    }
}

/// What holds for one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub webhooks: Option<Vec<Webhook>>,
    pub level: Option<Level>,
    pub muted: bool,
    pub stop: Option<bool>,
}

impl Applied {
    /// Who is told; `worker`: the webhooks of the worker's settings.
    pub fn told<'a>(&'a self, worker: &'a [Webhook]) -> &'a [Webhook] {
        if self.muted { &[] } else { self.webhooks.as_deref().unwrap_or(worker) }
    }
}

/// All rules by their patterns.
#[derive(Debug, Clone, Default)]
pub struct Rules(pub BTreeMap<String, Rule>);

impl Rules {
    pub fn of(&self, subject: &str) -> Applied {
        let mut matching: Vec<&Rule> = self.0.values().filter(|r| matches(&r.pattern, subject)).collect();
        matching.sort_by_key(|r| r.pattern.chars().filter(|c| *c != '*').count());
        let mut applied = Applied::default();
        for rule in matching {
            applied.webhooks = rule.webhooks.clone().or(applied.webhooks);
            applied.level = rule.level.or(applied.level);
            applied.muted = rule.muted.unwrap_or(applied.muted);
            applied.stop = rule.stop.or(applied.stop);
        }
        applied
    }
}

/// Whether a text is of a pattern: everything by itself, `*` any characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str) -> Rule {
        Rule { pattern: pattern.into(), webhooks: None, level: None, muted: None, stop: None }
    }

    #[test]
    fn patterns() {
        for (pattern, text, of) in [
            ("orders-value", "orders-value", true),
            ("orders-value", "orders-value2", false),
            ("orders-*", "orders-value", true),
            ("*-value", "orders-value", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("a**", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), of, "{pattern} {text}");
        }
    }

    #[test]
    fn the_most_specific_rule_has_its_say() {
        let hook = Webhook { url: "http://a".into(), format: WebhookFormat::Generic, secret: None };
        let rules = [
            Rule { muted: Some(true), stop: Some(true), webhooks: Some(vec![hook.clone()]), ..rule("*") },
            Rule { muted: Some(false), ..rule("orders-*") },
            Rule { webhooks: Some(vec![]), level: Some(Level::Full), ..rule("orders-value") },
        ];
        let rules = Rules(rules.into_iter().map(|r| (r.pattern.clone(), r)).collect());
        let of = |subject: &str| rules.of(subject);
        assert_eq!((of("x").muted, of("x").stop, of("x").webhooks), (true, Some(true), Some(vec![hook.clone()])));
        assert_eq!((of("orders-key").muted, of("orders-key").webhooks), (false, Some(vec![hook])));
        assert_eq!((of("orders-value").level, of("orders-value").webhooks), (Some(Level::Full), Some(vec![])));
    }

    #[test]
    fn wrong_rules_say_what_to_set() {
        let with = |url: &str| Rule {
            webhooks: Some(vec![Webhook { url: url.into(), format: WebhookFormat::Slack, secret: None }]),
            ..rule("*")
        };
        assert!(rule(" ").check().is_err() && with("http://127.0.0.1:1/x").check().is_ok());
        for url in ["x", "ftp://a/b", "/only/a/path", "https://"] {
            let why = with(url).check().unwrap_err();
            assert!(why.contains(url) && why.contains("set an http or https URL"), "{why}");
        }
    }

    #[test]
    fn secrets_are_hidden_and_kept() {
        let hook = |secret: &str| Webhook { url: "http://a".into(), format: WebhookFormat::Generic, secret: Some(secret.into()) };
        let of = |secret: &str| Rule { webhooks: Some(vec![hook(secret)]), ..rule("*") };
        assert_eq!(of("s3cret").shown(), of("[hidden]"));
        assert_eq!(of("${env:S}").shown(), of("${env:S}"));
        assert_eq!(of("[hidden]").with_secrets_of(Some(&of("s3cret"))), Ok(of("s3cret")));
        assert!(of("[hidden]").with_secrets_of(None).is_err());
    }
}
