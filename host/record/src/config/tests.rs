use super::*;

fn key(name: &str, kind: ConfigType, default: Default, allowed: &[&str]) -> ConfigKey {
    ConfigKey::new(name, kind, default, Importance::High, "").allowed(allowed.iter().copied())
}

/// What is said of one value of one type; nothing when it is right.
fn said(kind: ConfigType, allowed: &[&str], value: &str) -> Option<String> {
    let def = ConfigDef { keys: vec![key("k", kind, Default::Null, allowed)] };
    def.validate(&RawConfig::from([("k".into(), value.into())])).pop().map(|i| i.message)
}

#[test]
fn values_are_parsed_as_connect_does() {
    use ConfigType::*;
    for (kind, value) in [
        (Boolean, " TRUE "),
        (Int, " 5 "),
        (Int, "+5"),
        (Int, "-2147483648"),
        (Short, "32767"),
        (Long, "9223372036854775807"),
        (Double, "1e3"),
        (Double, "NaN"),
        (String, ""),
        (List, "a,,b"),
    ] {
        assert_eq!(said(kind, &[], value), None, "{value}");
    }
    for (kind, value, why) in [
        (Boolean, "yes", "Expected value to be either true or false"),
        (Int, "abc", "Not a number of type INT"),
        (Int, "2147483648", "Not a number of type INT"),
        (Int, "1.0", "Not a number of type INT"),
        (Short, "32768", "Not a number of type SHORT"),
        (Long, "", "Not a number of type LONG"),
        (Double, "inf", "Not a number of type DOUBLE"),
    ] {
        assert_eq!(said(kind, &[], value), Some(format!("Invalid value {value} for configuration k: {why}")));
    }
}

#[test]
fn allowed_values() {
    let one_of = "Invalid value c for configuration k: String must be one of: a, b";
    assert_eq!(said(ConfigType::String, &["a", "b"], " a "), None);
    assert_eq!(said(ConfigType::String, &["a", "b"], "c").as_deref(), Some(one_of));
    assert_eq!(said(ConfigType::List, &["a", "b"], "b, a"), None);
    assert!(said(ConfigType::List, &["a", "b"], "b,c").is_some());
    let secret = said(ConfigType::Password, &["a"], "hunter2").unwrap();
    assert!(secret.starts_with("Invalid value [hidden] for"), "{secret}");
}

#[test]
fn every_wrong_setting_is_said_at_once() {
    let keys = vec![
        key("topic", ConfigType::String, Default::Required, &[]),
        key("tasks.max", ConfigType::Int, Default::Value("1".into()), &[]),
    ];
    let def = ConfigDef { keys };
    let config = RawConfig::from([("tasks.max".into(), "abc".into())]);
    let messages: Vec<_> = def.validate(&config).into_iter().map(|i| i.message).collect();
    assert_eq!(
        messages,
        [
            "Missing required configuration \"topic\" which has no default value.",
            "Invalid value abc for configuration tasks.max: Not a number of type INT"
        ]
    );
    let given = RawConfig::from([("topic".into(), " t ".into())]);
    assert_eq!((def.value(&given, "topic"), def.value(&given, "tasks.max")), (Some("t"), Some("1")));
    assert!(def.validate(&given).is_empty());
}

/// All that is said of one value, or of null.
fn all(key: ConfigKey, given: Given<'_>) -> Vec<String> {
    key.check("p.k", "k", given).errors
}

#[test]
fn validators_speak_as_connects() {
    use ConfigType::*;
    let of = |kind, validator| ConfigKey::new("k", kind, Default::Required, Importance::High, "").must(validator);
    let text = Given::Text;
    for (key, given, expected) in [
        (of(Int, Validator::AtLeast(1)), text("0"), vec!["Invalid value 0 for configuration k: Value must be at least 1"]),
        (
            of(Int, Validator::AtLeast(1)),
            text("x "),
            vec![
                "Invalid value x  for configuration p.k: Not a number of type INT",
                "Invalid value null for configuration k: Value must be non-null",
            ],
        ),
        (of(Int, Validator::AtMost(9)), text("10"), vec!["Invalid value 10 for configuration k: Value must be no more than 9"]),
        (of(String, Validator::NonEmpty), text(" "), vec!["Invalid value  for configuration k: String must be non-empty"]),
        (of(String, Validator::NonEmpty), Given::Null, vec![]),
        (of(String, Validator::NonNull), Given::Null, vec!["Invalid value null for configuration k: entry must be non null"]),
        (
            of(String, Validator::Name),
            text("a\tb\u{7f}"),
            vec![
                "Invalid value a\tb\u{7f} for configuration k: String may not contain control sequences but had the following ASCII chars: 9, 127",
            ],
        ),
        (
            of(String, Validator::OneOfIgnoringCase(&["V1", "V2"])),
            text("v3"),
            vec!["Invalid value v3 for configuration k: String must be one of (case insensitive): V1, V2"],
        ),
        (of(String, Validator::OneOfIgnoringCase(&["V1", "V2"])), text("v2"), vec![]),
        (of(List, Validator::NonEmptyList), text(""), vec!["Invalid value [] for configuration k: Empty list"]),
        (of(List, Validator::Aliases), text("x, x"), vec!["Invalid value [x, x] for configuration k: Duplicate alias provided."]),
        (
            of(List, Validator::Distinct { empty: false }),
            Given::Absent,
            vec![
                "Missing required configuration \"p.k\" which has no default value.",
                "Configuration 'k' values must not be null.",
            ],
        ),
        (of(List, Validator::Distinct { empty: true }), text("a,,b"), vec!["Configuration 'k' values must not be empty."]),
        (of(List, Validator::Distinct { empty: true }), text(","), vec!["Configuration 'k' values must not be duplicated."]),
    ] {
        assert_eq!(all(key, given), expected, "{given:?}");
    }
}

#[test]
fn values_are_shown_as_they_were_understood() {
    use ConfigType::*;
    for (kind, given, expected) in [
        (Int, " +3 ", "3"),
        (Long, "007", "7"),
        (Double, "2", "2.0"),
        (Boolean, "TRUE", "true"),
        (List, " a , b,,", "a,b,,"),
        (Password, "x", "[hidden]"),
    ] {
        assert_eq!(Parsed::new(kind, given).map(|v| v.setting()).as_deref(), Ok(expected));
    }
}
