use std::collections::BTreeMap;

use super::*;

fn map(pairs: &[(&str, &str)]) -> RawConfig {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// `file`, `env` and `dir` over a folder with `f.properties` and `d/pw`.
fn providers(dir: &std::path::Path) -> Providers {
    std::fs::create_dir(dir.join("d")).unwrap();
    std::fs::write(dir.join("d/pw"), "from-dir").unwrap();
    std::fs::write(dir.join("f.properties"), "user=appuser\npassword=s3cr3t-value\nself=${env:A}\nn=1\n").unwrap();
    let settings = map(&[
        ("config.providers", "file, env,dir"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("config.providers.env.class", "EnvVarConfigProvider"),
        ("config.providers.env.param.allowlist.pattern", "A|B_.*"),
        ("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
    ]);
    let environment = BTreeMap::from([("A".into(), "1".into()), ("B_x".into(), "2".into()), ("C".into(), "3".into())]);
    let (providers, wrong, warnings) = Providers::new(&settings, &environment);
    assert_eq!((wrong, warnings), (vec![], vec![]));
    providers
}

#[test]
fn values_are_replaced_wherever_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display().to_string();
    let providers = providers(dir.path());
    let check = |value: &str, expected: &str| {
        let value = value.replace('@', &at);
        let resolved = providers.resolve(&map(&[("k", &value)])).unwrap();
        assert_eq!(resolved.config["k"], expected.replace('@', &at), "{value}");
    };
    check("${file:@/f.properties:user}:${file:@/f.properties:password}!", "appuser:s3cr3t-value!");
    check("${env:A}${env:B_x}", "12");
    check("a ${dir:@/d:pw} b", "a from-dir b");
    // Not again, not of others, not what is not there.
    check("${file:@/f.properties:self}", "${env:A}");
    check("${vault:a:b} ${topic}", "${vault:a:b} ${topic}");
    check("${env:A} ${env:C}", "1 ${env:C}");
    check("${dir:@/d:nothing}", "${dir:@/d:nothing}");
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let providers = providers(dir.path());
    let file = dir.path().join("f.properties").display().to_string();
    let config = map(&[("a", "${env:C}"), ("b", &format!("x${{file:{file}:nokey}}"))]);
    let resolved = providers.resolve(&config).unwrap();
    let error = resolved.complete().unwrap_err();
    for part in ["\"a\"", "${env:C}", "allowlist.pattern", "\"b\"", "nokey", "provider \"file\"", &file] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = providers.resolve(&map(&[("s", "${file:/no/such:k}")])).unwrap_err().to_string();
    for part in ["Could not read properties from file /no/such", "\"s\"", "${file:/no/such:k}", "\"file\"", "\"k\""] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn the_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let providers = providers(dir.path());
    let file = dir.path().join("f.properties").display().to_string();
    let password = format!("${{file:{file}:password}}");
    let config = map(&[("db.password", &password), ("tasks.max", &format!("${{file:{file}:n}}")), ("topic", "t1")]);
    let resolved = providers.resolve(&config).unwrap();
    let made = map(&[
        ("db.password", "s3cr3t-value"),
        ("url", "pg://u:s3cr3t-value@h1"),
        ("tasks.max", "1"),
        ("topic", "t1"),
        ("task.id", "1"),
    ]);
    let kept = resolved.restored(&made);
    assert_eq!(kept["db.password"], password);
    assert_eq!(kept["url"], format!("pg://u:{password}@h1"));
    assert_eq!(kept["tasks.max"], format!("${{file:{file}:n}}"));
    assert_eq!((kept["topic"].as_str(), kept["task.id"].as_str()), ("t1", "1"));
    assert_eq!(providers.resolve(&kept).unwrap().config, made);
    let told = resolved.conceal("tasks.max", "Invalid value 1 for configuration tasks.max: s3cr3t-value");
    assert_eq!(told, format!("Invalid value ${{file:{file}:n}} for configuration tasks.max: {password}"));
}

#[test]
fn wrong_providers_are_named_all_at_once() {
    let settings = map(&[
        ("config.providers", "a,b,c,d"),
        ("config.providers.a.class", "com.example.Vault"),
        ("config.providers.c.class", "FileConfigProvider"),
        ("config.providers.c.param.allowed.paths", "/no/such/path"),
        ("config.providers.d.class", "EnvVarConfigProvider"),
        ("config.providers.d.param.allowlist.pattern", "("),
        ("config.providers.d.param.typo", "x"),
        ("config.providers.e.class", "FileConfigProvider"),
    ]);
    let (_, wrong, warnings) = Providers::new(&settings, &BTreeMap::new());
    let keys: Vec<_> = wrong.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "config.providers.a.class",
            "config.providers.b.class",
            "config.providers.c.param.allowed.paths",
            "config.providers.d.param.allowlist.pattern"
        ]
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

proptest::proptest! {
    #[test]
    fn nothing_but_references_changes(value in "[^$]{0,40}|[${}:a-c/]{0,40}") {
        let (providers, ..) = Providers::new(&RawConfig::new(), &BTreeMap::new());
        let config = map(&[("k", &value)]);
        proptest::prop_assert_eq!(&providers.resolve(&config).unwrap().config, &config);
    }
}
