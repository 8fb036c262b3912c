//! `millrace plugin inspect`: what a component is, what it needs, and why a worker would refuse it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use millrace_record::PluginInfo;
use millrace_record::config::{ConfigKey, ConfigType, Default, Importance};
use millrace_sandbox::contents::{self, Contents, Need};
use serde_json::{Value, json};

use super::host::{Host, noun};

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// The component: NAME.wasm.
    file: PathBuf,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Exit code 1: a worker would refuse the file.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let wasm = std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let cache = tempfile::tempdir().context("cannot make a directory for compiled code")?;
        let loaded = Host::new(cache.path())?.load(&self.file);
        let (info, refused) = match &loaded {
            Ok(plugin) => (Some(plugin.info()), None),
            Err(e) => (None, Some(e.to_string())),
        };
        // Only of a component can be told what it imports; what else a file is, the refusal says.
        let contents = contents::of(&wasm).unwrap_or_default();
        let beside = self.file.with_extension("grants");
        let grants = std::fs::read_to_string(&beside).unwrap_or_default();
        let grants: Vec<&str> =
            grants.lines().map(|l| l.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()).collect();
        let report = report(wasm.len(), info, refused.as_deref(), &contents, &grants);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{}", text(&self.file.display().to_string(), &report));
        }
        Ok(if refused.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn report(bytes: usize, info: Option<&PluginInfo>, refused: Option<&str>, contents: &Contents, grants: &[&str]) -> Value {
    let import = |(name, need): &(String, Need)| {
        let grant = if let Need::Grant(grant) = need { Some(*grant) } else { None };
        // What a worker that takes the component links is no unknown.
        let offered = refused.is_none() || *need != Need::Unknown;
        let granted = grant.is_none_or(|g| grants.contains(&g));
        json!({"name": name, "offered": offered, "grant": grant, "granted": offered && granted})
    };
    let mut out = json!({
        "accepted": refused.is_none(),
        "refused": refused,
        "size_bytes": bytes,
        "contract": contents.contract,
        "world": contents.world,
        "exports": contents.exports,
        "imports": contents.imports.iter().map(import).collect::<Vec<_>>(),
        "grants": grants,
    });
    if let Some(info) = info {
        let binding = |b: &millrace_record::Binding| {
            let parts: serde_json::Map<_, _> = b.parts.iter().map(|(part, key)| (part.clone(), key.clone().into())).collect();
            json!({"name": b.name, "capability": b.capability, "parts": parts})
        };
        out["name"] = info.name.clone().into();
        out["kind"] = noun(info.kind).into();
        out["version"] = info.version.clone().into();
        out["documentation"] = info.documentation.clone().into();
        out["class_names"] = info.class_names.clone().into();
        out["capabilities"] = info.capabilities.clone().into();
        out["bindings"] = info.bindings.iter().map(binding).collect();
        out["config"] = info.config.keys.iter().map(key).collect();
    }
    out
}

fn key(key: &ConfigKey) -> Value {
    let kind = match key.kind {
        ConfigType::Boolean => "BOOLEAN",
        ConfigType::String => "STRING",
        ConfigType::Int => "INT",
        ConfigType::Short => "SHORT",
        ConfigType::Long => "LONG",
        ConfigType::Double => "DOUBLE",
        ConfigType::List => "LIST",
        ConfigType::Class => "CLASS",
        ConfigType::Password => "PASSWORD",
    };
    let importance = match key.importance {
        Importance::High => "HIGH",
        Importance::Medium => "MEDIUM",
        Importance::Low => "LOW",
    };
    let default = if let Default::Value(v) = &key.default { Some(v) } else { None };
    json!({
        "name": key.name, "type": kind, "required": key.default == Default::Required, "default_value": default,
        "importance": importance, "documentation": key.documentation, "allowed_values": key.allowed,
    })
}

/// The report for people.
fn text(file: &str, report: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:<10} {value}\n"));
    let str = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(str).collect::<Vec<_>>().join(", ");
    line("file", &format!("{file} ({} KiB)", report["size_bytes"].as_u64().unwrap_or_default().div_ceil(1024)));
    if let Some(why) = report["refused"].as_str() {
        line("REFUSED", &format!("a worker would not load it: {why}"));
    } else {
        line("plugin", &format!("{} {} {}", str(&report["kind"]), str(&report["name"]), str(&report["version"])));
        for (name, value) in [("about", &report["documentation"])] {
            if !str(value).is_empty() {
                line(name, &str(value));
            }
        }
        if !list(&report["class_names"]).is_empty() {
            line("classes", &list(&report["class_names"]));
        }
    }
    for name in ["contract", "world"] {
        if let Some(value) = report[name].as_str() {
            line(name, value);
        }
    }
    let imports = report["imports"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !imports.is_empty() {
        out.push_str("\nimports\n");
    }
    for import in imports {
        let says = match (import["offered"].as_bool(), import["grant"].as_str(), import["granted"].as_bool()) {
            (Some(false), ..) => "NOT OFFERED by this worker to any plugin".to_owned(),
            (_, None, _) => "every plugin has it".to_owned(),
            (_, Some(grant), Some(true)) => format!("needs the grant \"{grant}\", given in the file .grants beside it"),
            (_, Some(grant), _) => format!("needs the grant \"{grant}\": plugin.grants={grant}"),
        };
        out.push_str(&format!("  {:<40} {says}\n", str(&import["name"])));
    }
    let keys = report["config"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !keys.is_empty() {
        out.push_str("\nsettings\n");
        let rows: Vec<[String; 5]> = keys
            .iter()
            .map(|k| {
                let default = match (k["required"].as_bool(), k["default_value"].as_str()) {
                    (Some(true), _) => "(required)".to_owned(),
                    (_, Some(value)) => format!("\"{value}\""),
                    _ => "null".to_owned(),
                };
                let mut about = str(&k["documentation"]).replace('\n', " ");
                if !list(&k["allowed_values"]).is_empty() {
                    about.push_str(&format!(" One of {}.", list(&k["allowed_values"])));
                }
                [str(&k["name"]), str(&k["type"]), default, str(&k["importance"]), about]
            })
            .collect();
        out.push_str(&table(&["NAME", "TYPE", "DEFAULT", "IMPORTANCE", "DOCUMENTATION"].map(str::to_owned), &rows));
    }
    out
}

/// Columns as wide as what is in them; the last one is not filled up.
fn table(head: &[String; 5], rows: &[[String; 5]]) -> String {
    let lines = || std::iter::once(head).chain(rows);
    let widths: Vec<usize> = (0..4).map(|i| lines().map(|l| l[i].chars().count()).max().unwrap_or(0)).collect();
    let line = |l: &[String; 5]| {
        let columns: Vec<_> = l[..4].iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        format!("  {}  {}\n", columns.join("  "), l[4])
    };
    lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_is_explained_with_what_it_imports() {
        let contents = Contents {
            contract: Some("millrace:plugin@0.1.0".into()),
            world: Some("transform-plugin".into()),
            exports: Vec::new(),
            imports: vec![("millrace:plugin/files@0.1.0".into(), Need::Grant("files")), ("x:y/z".into(), Need::Unknown)],
        };
        let report = report(2048, None, Some("it imports x:y/z"), &contents, &[]);
        let text = text("a.wasm", &report);
        for words in ["a worker would not load it: it imports x:y/z", "needs the grant \"files\"", "NOT OFFERED", "(2 KiB)"] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!((&report["accepted"], &report["imports"][0]["grant"]), (&json!(false), &json!("files")));
    }

    #[test]
    fn settings_are_a_table() {
        let key = |name: &str, default| super::key(&ConfigKey::new(name, ConfigType::Int, default, Importance::High, "What."));
        let config = vec![key("a", Default::Required), key("longer", Default::Value("7".into())), key("n", Default::Null)];
        let text = text("a.wasm", &json!({"size_bytes": 1, "config": config}));
        assert!(text.contains("  NAME    TYPE  DEFAULT     IMPORTANCE  DOCUMENTATION\n"), "{text}");
        assert!(text.contains("  a       INT   (required)  HIGH        What.\n"), "{text}");
        assert!(text.contains("  longer  INT   \"7\"         HIGH        What.\n"), "{text}");
    }
}
