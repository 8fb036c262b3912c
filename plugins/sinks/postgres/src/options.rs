//! The settings, read: Debezium's names, Confluent's names, and our own, into one set of options. All that is wrong is
//! reported at once, and nothing that would change data is passed over in silence.

use millrace_plugin::{Config, ConfigIssue, Error};

use crate::catalog::TableName;

pub const DEBEZIUM: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";
pub const CONFLUENT: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";
/// The fork of Confluent's sink that has its setting names.
pub const AIVEN: &str = "io.aiven.connect.jdbc.JdbcSinkConnector";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertMode {
    Insert,
    Upsert,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Whose names the settings have; the binding has the same name.
    pub dialect: Dialect,
    pub insert_mode: InsertMode,
    pub delete: bool,
    pub truncate: bool,
    pub key_mode: KeyMode,
    pub key_fields: Vec<String>,
    pub create: bool,
    pub evolve: bool,
    pub table_format: String,
    /// Names are folded to lower case, as PostgreSQL does with those that are not quoted.
    pub fold: bool,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub placeholder: String,
    pub exactly_once: bool,
    pub offsets_table: String,
}

/// The family of setting names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Debezium,
    Confluent,
}

impl Dialect {
    fn of(config: &Config) -> Dialect {
        let class = config.get("connector.class").unwrap_or_default();
        let theirs = ["connection.user", "pk.mode", "pk.fields", "auto.create", "auto.evolve", "table.name.format"];
        if class == CONFLUENT || class == AIVEN || (class != DEBEZIUM && theirs.iter().any(|k| set(config, k))) {
            Dialect::Confluent
        } else {
            Dialect::Debezium
        }
    }
    /// The binding to open.
    pub fn binding(self) -> &'static str {
        match self {
            Dialect::Debezium => "target",
            Dialect::Confluent => "target-confluent",
        }
    }
    pub fn key_mode(self) -> &'static str {
        if self == Dialect::Debezium { "primary.key.mode" } else { "pk.mode" }
    }
    pub fn key_fields(self) -> &'static str {
        if self == Dialect::Debezium { "primary.key.fields" } else { "pk.fields" }
    }
    pub fn table_format(self) -> &'static str {
        if self == Dialect::Debezium { "collection.name.format" } else { "table.name.format" }
    }
    /// The setting that leaves fields out.
    pub fn leave_out(self) -> &'static str {
        if self == Dialect::Debezium { "field.exclude.list" } else { "fields.whitelist" }
    }
    pub fn create(self) -> &'static str {
        if self == Dialect::Debezium { "schema.evolution=basic" } else { "auto.create=true" }
    }
    pub fn evolve(self) -> &'static str {
        if self == Dialect::Debezium { "schema.evolution=basic" } else { "auto.evolve=true" }
    }
}

impl Options {
    /// For a task: the first thing that is wrong is the error.
    pub fn parse(config: &Config) -> Result<Options, Error> {
        let (options, mut issues) = Self::check(config);
        match issues.is_empty() {
            true => Ok(options),
            false => {
                let first = issues.remove(0);
                Err(Error::config(first.name, first.message))
            }
        }
    }

    /// Everything that is wrong, and the options as far as they are right.
    pub fn check(config: &Config) -> (Options, Vec<ConfigIssue>) {
        let mut issues = Vec::new();
        let dialect = Dialect::of(config);
        let debezium = dialect == Dialect::Debezium;
        let text =
            |key: &str, default: &str| config.get(key).map(str::trim).filter(|v| !v.is_empty()).unwrap_or(default).to_owned();
        let mut flag = |key: &str| {
            if config.get(key).is_none() {
                return false;
            }
            config.bool(key).unwrap_or_else(|e| {
                issues.push(e.into());
                false
            })
        };
        let (delete, truncate, exactly_once) =
            (flag("delete.enabled"), debezium && flag("truncate.enabled"), flag("exactly.once"));
        let quote = !debezium || flag("quote.identifiers");
        let (mut create, mut evolve) = if debezium { (false, false) } else { (flag("auto.create"), flag("auto.evolve")) };
        if debezium {
            match text("schema.evolution", "none").as_str() {
                "none" => {}
                "basic" => (create, evolve) = (true, true),
                other => issues.push(issue("schema.evolution", other, "give it none or basic")),
            }
        }
        let insert_mode = match text("insert.mode", "insert").to_ascii_lowercase().as_str() {
            "insert" => InsertMode::Insert,
            "upsert" => InsertMode::Upsert,
            "update" => InsertMode::Update,
            other => {
                issues.push(issue("insert.mode", other, "give it insert, upsert or update"));
                InsertMode::Insert
            }
        };
        let key_mode = match text(dialect.key_mode(), "none").to_ascii_lowercase().as_str() {
            "none" => KeyMode::None,
            "kafka" => KeyMode::Kafka,
            "record_key" => KeyMode::RecordKey,
            "record_value" => KeyMode::RecordValue,
            "record_header" => {
                issues.push(issue(dialect.key_mode(), "record_header", "keys from headers are not offered: give it record_key or record_value, with a transform that moves the header there"));
                KeyMode::None
            }
            other => {
                issues.push(issue(dialect.key_mode(), other, "give it none, kafka, record_key or record_value"));
                KeyMode::None
            }
        };
        if insert_mode != InsertMode::Insert && key_mode == KeyMode::None {
            issues.push(ConfigIssue::new(
                dialect.key_mode(),
                format!(
                    "\"insert.mode\" is {}, which needs a key: set \"{}\" to record_key, record_value or kafka",
                    text("insert.mode", ""),
                    dialect.key_mode()
                ),
            ));
        }
        if delete && key_mode != KeyMode::RecordKey {
            issues.push(ConfigIssue::new(
                "delete.enabled",
                format!("\"delete.enabled\" is true, which needs the record's key: set \"{}\" to record_key", dialect.key_mode()),
            ));
        }
        url(config, &mut issues);
        let table_format = text(if debezium { "collection.name.format" } else { "table.name.format" }, "${topic}");
        let table_format = if debezium && !set(config, "collection.name.format") {
            text("table.name.format", &table_format)
        } else {
            table_format
        };
        let (include, exclude) = match debezium {
            true => (list(config, "field.include.list"), list(config, "field.exclude.list")),
            false => (list(config, "fields.whitelist"), Vec::new()),
        };
        if !include.is_empty() && !exclude.is_empty() {
            issues.push(ConfigIssue::new(
                "field.exclude.list",
                "\"field.include.list\" and \"field.exclude.list\" are both set: keep one of them",
            ));
        }
        refused(config, dialect, &mut issues);
        let options = Options {
            dialect,
            insert_mode,
            delete,
            truncate,
            key_mode,
            key_fields: list(config, dialect.key_fields()),
            create,
            evolve,
            table_format,
            fold: !quote,
            include,
            exclude,
            placeholder: text("unavailable.value.placeholder", "__debezium_unavailable_value"),
            exactly_once,
            offsets_table: text("offsets.table", "millrace_offsets"),
        };
        (options, issues)
    }

    /// The table of a topic: in Debezium's names dots become underscores, in Confluent's they part schema and table.
    pub fn table(&self, topic: &str) -> TableName {
        let topic = if self.dialect == Dialect::Debezium { topic.replace('.', "_") } else { topic.to_owned() };
        qualified(&self.column(&self.table_format.replace("${topic}", &topic)))
    }
    /// The column of a field.
    pub fn column(&self, field: &str) -> String {
        if self.fold { field.to_lowercase() } else { field.to_owned() }
    }
    /// Whether a field of the value is written.
    pub fn takes(&self, topic: &str, field: &str) -> bool {
        let named = |l: &[String]| {
            l.iter().any(|f| f == field || f.strip_prefix(topic).is_some_and(|r| r.strip_prefix(':') == Some(field)))
        };
        (self.include.is_empty() || named(&self.include)) && !named(&self.exclude)
    }
}

/// `schema.table`, `catalog.schema.table` or `table`.
pub fn qualified(name: &str) -> TableName {
    let mut parts = name.rsplitn(3, '.');
    let table = parts.next().unwrap_or_default().to_owned();
    TableName { table, schema: parts.next().map(str::to_owned) }
}

/// What the keys of the two families are when nobody set them. A task's configuration may have its defaults written out.
const UNSET: &[&str] = &["", "none", "false", "${topic}"];

fn set(config: &Config, key: &str) -> bool {
    config.is_given(key) && config.get(key).is_some_and(|v| !UNSET.contains(&v.trim()))
}

fn list(config: &Config, key: &str) -> Vec<String> {
    config.list(key).into_iter().map(str::to_owned).collect()
}

fn issue(key: &str, value: &str, remedy: &str) -> ConfigIssue {
    ConfigIssue::new(key, format!("\"{key}\" is \"{value}\"; {remedy}"))
}

fn url(config: &Config, issues: &mut Vec<ConfigIssue>) {
    match config.required("connection.url") {
        Err(e) => issues.push(e.into()),
        Ok(url) => {
            let url = url.trim();
            let known = ["jdbc:postgresql:", "postgresql:", "postgres:"].iter().any(|p| url.starts_with(p));
            if !known && url != "[hidden]" {
                // A URL may carry a password: of a wrong one only the scheme is shown.
                let scheme = url.split("//").next().unwrap_or_default();
                issues.push(issue(
                    "connection.url",
                    &format!("{scheme}..."),
                    "this sink writes into PostgreSQL only: give jdbc:postgresql://host:port/database",
                ));
            }
        }
    }
}

/// Settings whose being ignored would change what is written.
fn refused(config: &Config, dialect: Dialect, issues: &mut Vec<ConfigIssue>) {
    let mut only = |key: &str, allowed: &[&str], remedy: &str| {
        if let Some(v) = config.get(key).map(str::trim).filter(|v| !v.is_empty())
            && config.is_given(key)
            && !allowed.iter().any(|a| a.eq_ignore_ascii_case(v))
        {
            issues.push(issue(key, v, remedy));
        }
    };
    let utc = ["UTC", "Z", "GMT", "Etc/UTC", "+00:00"];
    // The other family's names would do nothing, and a reader would take them for set.
    let others: &[(&str, &str)] = match dialect {
        Dialect::Debezium => &[
            ("connection.user", "connection.username"),
            ("pk.mode", "primary.key.mode"),
            ("pk.fields", "primary.key.fields"),
            ("auto.create", "schema.evolution"),
            ("auto.evolve", "schema.evolution"),
            ("fields.whitelist", "field.include.list"),
            ("quote.sql.identifiers", "quote.identifiers"),
        ],
        Dialect::Confluent => &[
            ("connection.username", "connection.user"),
            ("primary.key.mode", "pk.mode"),
            ("primary.key.fields", "pk.fields"),
            ("schema.evolution", "auto.create and auto.evolve"),
            ("field.include.list", "fields.whitelist"),
            ("collection.name.format", "table.name.format"),
        ],
    };
    for (other, own) in others {
        only(other, UNSET, &format!("this connector does not have it: use {own}"));
    }
    if dialect == Dialect::Debezium {
        only("use.time.zone", &utc, "times without a zone are written in UTC: leave it out");
        only("database.time_zone", &utc, "times without a zone are written in UTC: leave it out");
        only(
            "column.naming.strategy",
            &[
                "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy",
                "io.debezium.sink.naming.DefaultColumnNamingStrategy",
            ],
            "only the default strategy is offered: leave it out, and rename fields with a transform",
        );
        let default = [
            "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
            "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy",
        ];
        only(
            "collection.naming.strategy",
            &default,
            "only the default strategy is offered: leave it out, and use collection.name.format",
        );
        only(
            "table.naming.strategy",
            &default,
            "only the default strategy is offered: leave it out, and use collection.name.format",
        );
        only("dialect.postgres.postgis.schema", &["public"], "geometries of PostGIS are not offered: leave it out");
        only("collection.table.format", &["${table}"], "it is not offered: use collection.name.format");
        if config.get("collection.name.format").is_some_and(|f| f.contains("${source")) {
            issues.push(ConfigIssue::new("collection.name.format", "\"collection.name.format\" names ${source...}, which is not offered: use ${topic}, and route topics with a transform"));
        }
    } else {
        only("db.timezone", &utc, "times without a zone are written in UTC: leave it out");
        only("quote.sql.identifiers", &["always"], "identifiers are always quoted: leave it out");
        only("sql.quote.identifiers", &["true"], "identifiers are always quoted: leave it out");
        only("table.name.normalize", &["false"], "it is not offered: route topics with a transform");
        only("topics.to.tables.mapping", &[], "it is not offered: route topics with a transform");
        only("replace.null.with.default", &["true"], "it is the converter's: set value.converter.replace.null.with.default");
        only("date.timezone", &["DB_TIMEZONE", "UTC"], "dates are written as they are: leave it out");
        for key in ["truncate.enabled", "field.exclude.list"] {
            only(key, &["false"], "this connector does not have it: leave it out, or use Debezium's connector.class");
        }
        only("dialect.name", &["PostgreSqlDatabaseDialect"], "this sink writes into PostgreSQL only: leave it out");
        only("table.types", &["TABLE", "PARTITIONED TABLE"], "it is not offered: leave it out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issues(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("connection.url", "jdbc:postgresql://h/d")];
        all.extend(pairs);
        Options::check(&Config::new(all)).1.into_iter().map(|i| i.name).collect()
    }

    #[test]
    fn every_wrong_setting_is_named() {
        assert!(issues(&[]).is_empty());
        assert_eq!(issues(&[("insert.mode", "merge"), ("schema.evolution", "advanced")]), ["schema.evolution", "insert.mode"]);
        assert_eq!(issues(&[("insert.mode", "upsert")]), ["primary.key.mode"]);
        assert_eq!(issues(&[("connector.class", CONFLUENT), ("insert.mode", "upsert")]), ["pk.mode"]);
        assert_eq!(issues(&[("delete.enabled", "true"), ("primary.key.mode", "kafka")]), ["delete.enabled"]);
        assert_eq!(issues(&[("use.time.zone", "Europe/Rome")]), ["use.time.zone"]);
        // As a task gets them: with the defaults of both families written out.
        assert!(issues(&[("connector.class", DEBEZIUM), ("pk.mode", "none"), ("auto.create", "false")]).is_empty());
        assert!(issues(&[("connector.class", CONFLUENT), ("collection.name.format", "${topic}")]).is_empty());
        assert_eq!(issues(&[("connector.class", DEBEZIUM), ("pk.mode", "record_key")]), ["pk.mode"]);
        assert_eq!(issues(&[("connector.class", AIVEN), ("schema.evolution", "basic")]), ["schema.evolution"]);
        assert_eq!(issues(&[("connector.class", AIVEN), ("topics.to.tables.mapping", "a:b")]), ["topics.to.tables.mapping"]);
        assert_eq!(issues(&[("connection.url", "jdbc:mysql://h/d")]), ["connection.url"]);
    }

    #[test]
    fn tables_are_named_as_each_names_them() {
        let of = |pairs: &[(&str, &str)], topic: &str| Options::check(&Config::new(pairs.iter().copied())).0.table(topic).sql();
        assert_eq!(of(&[], "shop.public.Orders"), "\"shop_public_orders\"");
        assert_eq!(of(&[("quote.identifiers", "true")], "a.B"), "\"a_B\"");
        assert_eq!(of(&[("collection.name.format", "dw.${topic}")], "a.b"), "\"dw\".\"a_b\"");
        assert_eq!(of(&[("connector.class", CONFLUENT)], "db.public.Orders"), "\"public\".\"Orders\"");
    }
}
