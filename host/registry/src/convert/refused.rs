//! Settings of Confluent's converters that Millrace does not have and that say what is written or read: ignored, they would be
//! wrong in silence, so they are refused by name.

use millrace_record::convert::Settings;

/// A setting, the last parts of the class names that say nothing new (of others any value is too much), and the remedy.
type Refused = (&'static str, &'static [&'static str], &'static str);

const ALL: [Refused; 3] = [
    (
        "use.latest.with.metadata",
        &[],
        "versions are not chosen by their metadata: set \"use.latest.version\" or \"use.schema.id\" instead",
    ),
    ("rule.executors", &[], "rules of schemas are not run: use a transform instead"),
    (
        "context.name.strategy",
        &["NullContextNameStrategy"],
        "name the context in \"schema.registry.url\", as http://localhost:8081/contexts/.name",
    ),
];

/// Of keys or of values, by the role before the name.
const OF_ROLE: [Refused; 2] = [
    ("schema.id.serializer", &["PrefixSchemaIdSerializer"], "ids are written before the data, not into headers: leave it out"),
    (
        "schema.id.deserializer",
        &["PrefixSchemaIdDeserializer", "DualSchemaIdDeserializer"],
        "ids are read before the data, not from headers: leave it out",
    ),
];

/// The error names the key, the value and the remedy.
pub(super) fn check(is_key: bool, settings: &Settings<'_>) -> Result<(), String> {
    let role = if is_key { "key" } else { "value" };
    let all = ALL.iter().map(|(name, taken, remedy)| ((*name).to_owned(), taken, remedy));
    let of_role = OF_ROLE.iter().map(|(name, taken, remedy)| (format!("{role}.{name}"), taken, remedy));
    for (key, taken, remedy) in all.chain(of_role) {
        if let Some(value) = settings.text(&key)
            && !taken.contains(&value.rsplit('.').next().unwrap_or(value))
        {
            return Err(settings.wrong(&key, value, remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_ignored_is_refused() {
        let of = |is_key, key: &str, value: &str| {
            let config = [(key.to_owned(), value.to_owned())].into();
            check(is_key, &Settings::without_empty(&config))
        };
        const PACKAGE: &str = "io.confluent.kafka.serializers";
        for (key, value) in [
            ("use.latest.with.metadata", "major:2"),
            ("rule.executors", "encrypt"),
            ("context.name.strategy", "com.example.Mine"),
            ("value.schema.id.serializer", "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"),
        ] {
            let error = of(false, key, value).unwrap_err();
            assert!(error.starts_with(&format!("Invalid value {value} for configuration {key}: ")), "{error}");
        }
        for (key, value) in [
            ("use.latest.with.metadata", String::new()),
            ("context.name.strategy", format!("{PACKAGE}.context.NullContextNameStrategy")),
            ("value.schema.id.serializer", format!("{PACKAGE}.schema.id.PrefixSchemaIdSerializer")),
            ("value.schema.id.deserializer", format!("{PACKAGE}.schema.id.DualSchemaIdDeserializer")),
            // Of keys, which this one is not for.
            ("key.schema.id.serializer", format!("{PACKAGE}.schema.id.HeaderSchemaIdSerializer")),
        ] {
            assert_eq!(of(false, key, &value), Ok(()), "{key}");
        }
        assert!(of(true, "key.schema.id.serializer", "HeaderSchemaIdSerializer").is_err());
    }
}
