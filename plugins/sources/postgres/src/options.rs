//! The settings, read: Debezium's names into one set of options. All that is wrong is reported at once, and a setting of
//! Debezium's that is not honoured is refused where it would change what is delivered.

use std::time::Duration;

use millrace_plugin::{Config, ConfigIssue, Error};

use crate::catalog::Table;
use crate::filter::{self, Choice, Filter, Patterns};
use crate::types::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, Modes, TimeMode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMode {
    Initial,
    Always,
    InitialOnly,
    NoData,
    WhenNeeded,
}

impl SnapshotMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Always => "always",
            Self::InitialOnly => "initial_only",
            Self::NoData => "no_data",
            Self::WhenNeeded => "when_needed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationMode {
    AllTables,
    Disabled,
    Filtered,
    NoTables,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Truncate,
    Message,
}

/// What to do about an event that cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureMode {
    Fail,
    Warn,
    Skip,
}

/// What is shown of a text column instead of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// So many asterisks.
    Stars(usize),
    /// So many characters of it.
    Prefix(usize),
}

#[derive(Debug, Clone)]
pub struct Options {
    pub topic_prefix: String,
    pub topic_delimiter: String,
    pub database: String,
    pub user: String,
    pub slot_name: String,
    pub slot_drop_on_stop: bool,
    pub slot_failover: bool,
    /// Further options of the stream.
    pub stream_params: Vec<(String, String)>,
    pub publication_name: String,
    pub publication_mode: PublicationMode,
    pub via_root: bool,
    pub flushes_lsn: bool,
    /// A slot that is past the stored offset is followed.
    pub trust_slot: bool,
    pub status_update_interval: Duration,
    /// Zero: none.
    pub heartbeat_interval: Duration,
    pub heartbeat_action_query: Option<String>,
    pub heartbeat_topic_prefix: String,
    pub snapshot_mode: SnapshotMode,
    pub snapshot_tables: Patterns,
    /// `schema.table`, and the statement that reads it.
    pub snapshot_overrides: Vec<(String, String)>,
    pub snapshot_delay: Duration,
    pub streaming_delay: Duration,
    pub filter: Filter,
    message_keys: Vec<(Patterns, Vec<String>)>,
    masks: Vec<(Patterns, Mask)>,
    skipped: Vec<Operation>,
    pub tombstones_on_delete: bool,
    transaction_metadata: Option<String>,
    pub failure_mode: FailureMode,
    /// Changes of tables are records of their own.
    pub schema_changes: bool,
    /// Their statements come through the log.
    pub ddl_enabled: bool,
    pub modes: Modes,
}

impl Options {
    pub fn skips(&self, operation: Operation) -> bool {
        self.skipped.contains(&operation)
    }
    /// The topic of transaction metadata, where that is asked for.
    pub fn transaction_topic(&self) -> Option<String> {
        let last = self.transaction_metadata.as_ref()?;
        Some(format!("{}{}{last}", self.topic_prefix, self.topic_delimiter))
    }
    /// The columns asked for as the key of a table, `schema.table`.
    pub fn message_key(&self, table: &str) -> Option<&[String]> {
        self.message_keys.iter().find(|(tables, _)| tables.matches(table)).map(|(_, columns)| columns.as_slice())
    }
    pub fn mask(&self, schema: &str, table: &str, column: &str) -> Option<Mask> {
        if self.masks.is_empty() {
            return None;
        }
        let name = format!("{schema}.{table}.{column}");
        self.masks.iter().find(|(columns, _)| columns.matches(&name)).map(|(_, mask)| *mask)
    }
    pub fn captures(&self, table: &Table) -> bool {
        self.filter.table(&table.schema, &table.name)
    }
    pub fn in_snapshot(&self, table: &Table) -> bool {
        self.captures(table)
            && (self.snapshot_tables.is_empty() || self.snapshot_tables.matches(&format!("{}.{}", table.schema, table.name)))
    }

    /// For a task: the first thing that is wrong is the error.
    pub fn parse(config: &Config) -> Result<Options, Error> {
        let (options, mut issues) = Self::check(config);
        if issues.is_empty() {
            return Ok(options);
        }
        let first = issues.remove(0);
        Err(Error::config(first.name, first.message))
    }

    /// Everything that is wrong, and the options as far as they are right.
    pub fn check(config: &Config) -> (Options, Vec<ConfigIssue>) {
        let mut r = Reader { config, issues: Vec::new() };
        let options = Options {
            topic_prefix: r.topic_prefix(),
            topic_delimiter: r.text("topic.delimiter"),
            database: r.text("database.dbname"),
            user: r.text("database.user"),
            slot_name: r.slot_name(),
            slot_drop_on_stop: r.flag("slot.drop.on.stop"),
            slot_failover: r.flag("slot.failover"),
            stream_params: r.stream_params(),
            publication_name: r.text("publication.name"),
            publication_mode: r.choice(
                "publication.autocreate.mode",
                &[
                    ("all_tables", PublicationMode::AllTables),
                    ("disabled", PublicationMode::Disabled),
                    ("filtered", PublicationMode::Filtered),
                    ("no_tables", PublicationMode::NoTables),
                ],
            ),
            via_root: r.flag("publish.via.partition.root"),
            flushes_lsn: r.flushes_lsn(),
            trust_slot: r.choice(
                "offset.mismatch.strategy",
                &[
                    ("fail", false),
                    ("no_validation", false),
                    ("trust_offset", false),
                    ("trust_slot", true),
                    ("trust_greater_lsn", true),
                ],
            ),
            status_update_interval: r.time("status.update.interval.ms"),
            heartbeat_interval: r.time("heartbeat.interval.ms"),
            heartbeat_action_query: r.optional("heartbeat.action.query"),
            heartbeat_topic_prefix: r.text("topic.heartbeat.prefix"),
            snapshot_mode: r.choice(
                "snapshot.mode",
                &[
                    ("initial", SnapshotMode::Initial),
                    ("always", SnapshotMode::Always),
                    ("initial_only", SnapshotMode::InitialOnly),
                    ("no_data", SnapshotMode::NoData),
                    ("when_needed", SnapshotMode::WhenNeeded),
                    ("never", SnapshotMode::NoData),
                    ("schema_only", SnapshotMode::NoData),
                    ("exported", SnapshotMode::Initial),
                ],
            ),
            snapshot_tables: r.patterns("snapshot.include.collection.list"),
            snapshot_overrides: r.overrides(),
            snapshot_delay: r.time("snapshot.delay.ms"),
            streaming_delay: r.time("streaming.delay.ms"),
            filter: Filter {
                schemas: r.lists("schema.include.list", "schema.exclude.list"),
                tables: r.lists("table.include.list", "table.exclude.list"),
                columns: r.lists("column.include.list", "column.exclude.list"),
                messages: r.messages(),
            },
            message_keys: r.message_keys(),
            masks: r.masks(),
            skipped: r.skipped(),
            tombstones_on_delete: r.flag("tombstones.on.delete"),
            transaction_metadata: r.flag("provide.transaction.metadata").then(|| r.text("topic.transaction")),
            failure_mode: r.choice(
                "event.processing.failure.handling.mode",
                &[
                    ("fail", FailureMode::Fail),
                    ("warn", FailureMode::Warn),
                    ("skip", FailureMode::Skip),
                    ("ignore", FailureMode::Skip),
                ],
            ),
            schema_changes: r.flag("include.schema.changes"),
            ddl_enabled: r.flag("schema.changes.ddl.enabled"),
            modes: r.modes(),
        };
        r.needs_schema_changes(&options);
        r.refresh_mode();
        r.unsupported();
        r.misspelt();
        (options, r.issues)
    }
}

/// Reads values, and notes what is wrong with them.
struct Reader<'a> {
    config: &'a Config,
    issues: Vec<ConfigIssue>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, message: String) {
        self.issues.push(ConfigIssue::new(key, message));
    }
    fn note<T>(&mut self, read: Result<T, Error>) -> Option<T> {
        read.map_err(|e| self.issues.push(e.into())).ok()
    }
    /// A value that has a default, or is required.
    fn text(&mut self, key: &str) -> String {
        let read = self.config.required(key).map(|v| v.trim().to_owned());
        self.note(read).unwrap_or_default()
    }
    fn optional(&self, key: &str) -> Option<String> {
        self.config.get(key).map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned)
    }
    fn flag(&mut self, key: &str) -> bool {
        let read = self.config.bool(key);
        self.note(read).unwrap_or_default()
    }
    fn time(&mut self, key: &str) -> Duration {
        let read = self.config.duration(key);
        self.note(read).unwrap_or_default()
    }
    /// One of some words; the first stands in for a wrong one.
    fn choice<T: Copy>(&mut self, key: &str, of: &[(&str, T)]) -> T {
        let words: Vec<&str> = of.iter().map(|(w, _)| *w).collect();
        let read = self.config.one_of(key, &words);
        let word = self.note(read);
        of.iter().find(|(w, _)| Some(*w) == word).unwrap_or(&of[0]).1
    }
    fn patterns(&mut self, key: &str) -> Patterns {
        let list = self.optional(key).unwrap_or_default();
        Patterns::parse(&list).unwrap_or_else(|e| {
            self.wrong(key, format!("\"{key}\": {e}; lookahead and backreferences are not offered"));
            Patterns::default()
        })
    }
    fn lists(&mut self, include: &str, exclude: &str) -> Choice {
        if self.optional(include).is_some() && self.optional(exclude).is_some() {
            self.wrong(exclude, format!("\"{include}\" and \"{exclude}\" exclude each other; give one of them"));
        }
        Choice { include: self.patterns(include), exclude: self.patterns(exclude) }
    }

    /// The lists have a longer name too.
    fn messages(&mut self) -> Choice {
        let long = ["logical.decoding.message.prefix.include.list", "logical.decoding.message.prefix.exclude.list"];
        let choice = self.lists("message.prefix.include.list", "message.prefix.exclude.list");
        if !long.iter().any(|k| self.optional(k).is_some()) {
            return choice;
        }
        if !choice.include.is_empty() || !choice.exclude.is_empty() {
            self.wrong(long[0], "\"logical.decoding.message.prefix.*\" and \"message.prefix.*\" are both given; keep message.prefix.include.list or message.prefix.exclude.list".to_owned());
        }
        self.lists(long[0], long[1])
    }
    /// `flush.lsn.source` is the older name: whoever turned it off must not have the log released.
    fn flushes_lsn(&mut self) -> bool {
        let (key, older) = ("lsn.flush.mode", "flush.lsn.source");
        // The slot follows the server's log on quiet tables anyway, which is all that the driver's part would add.
        let flushes = self.choice(key, &[("connector", true), ("manual", false), ("connector_and_driver", true)]);
        match self.optional(older).map(|_| self.flag(older)) {
            Some(asked) if !self.config.is_given(key) => asked,
            Some(asked) if asked != flushes => {
                self.wrong(older, format!("\"{older}\" is {asked}, which \"{key}\" contradicts; leave \"{older}\" out"));
                false
            }
            _ => flushes,
        }
    }

    fn needs_schema_changes(&mut self, options: &Options) {
        if options.ddl_enabled && !options.schema_changes {
            let message = "\"schema.changes.ddl.enabled\" is true, and nobody is told of the statements: set \"include.schema.changes\" to true, or leave it out";
            self.wrong("schema.changes.ddl.enabled", message.to_owned());
        }
    }
    fn refresh_mode(&mut self) {
        // The log announces each shape: there is nothing to refresh by either.
        self.choice("schema.refresh.mode", &[("columns_diff", ()), ("columns_diff_exclude_unchanged_toast", ())]);
    }
    fn topic_prefix(&mut self) -> String {
        let prefix = self.text("topic.prefix");
        if prefix.chars().any(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
            let message =
                format!("\"topic.prefix\" is \"{prefix}\"; give it letters, digits, dots, hyphens and underscores only");
            self.wrong("topic.prefix", message);
        }
        prefix
    }
    fn slot_name(&mut self) -> String {
        let name = self.text("slot.name");
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.is_empty() && (name.len() > 63 || !name.chars().all(legal)) {
            let message = format!("\"slot.name\" is \"{name}\"; give it up to 63 lower-case letters, digits and underscores");
            self.wrong("slot.name", message);
        }
        name
    }
    fn stream_params(&mut self) -> Vec<(String, String)> {
        let key = "slot.stream.params";
        let text = self.optional(key).unwrap_or_default();
        let mut params = Vec::new();
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => params.push((name.trim().to_owned(), value.trim().to_owned())),
                _ => self.wrong(key, format!("\"{key}\" has \"{part}\"; write it as name=value;name=value")),
            }
        }
        params
    }
    fn overrides(&mut self) -> Vec<(String, String)> {
        let key = "snapshot.select.statement.overrides";
        let mut overrides = Vec::new();
        for table in filter::split(&self.optional(key).unwrap_or_default()) {
            match self.optional(&format!("{key}.{table}")) {
                Some(statement) => overrides.push((table, statement)),
                None => self.wrong(key, format!("\"{key}\" names \"{table}\"; give its statement as \"{key}.{table}\"")),
            }
        }
        overrides
    }
    fn message_keys(&mut self) -> Vec<(Patterns, Vec<String>)> {
        let key = "message.key.columns";
        let text = self.optional(key).unwrap_or_default();
        let mut keys = Vec::new();
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let read = part.rsplit_once(':').map(|(tables, columns)| (Patterns::parse(tables), filter::split(columns)));
            match read {
                Some((Ok(tables), columns)) if !columns.is_empty() => keys.push((tables, columns)),
                _ => self.wrong(key, format!("\"{key}\" has \"{part}\"; write it as schema.table:column,column;...")),
            }
        }
        keys
    }
    fn masks(&mut self) -> Vec<(Patterns, Mask)> {
        let mut masks = Vec::new();
        let given: Vec<(String, String)> =
            self.config.iter().filter(|(k, _)| k.starts_with("column.")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (key, value) in given {
            let number = |prefix: &str| key.strip_prefix(prefix)?.strip_suffix(".chars")?.parse::<usize>().ok();
            let mask = match (number("column.truncate.to."), number("column.mask.with.")) {
                (Some(n), _) => Mask::Prefix(n),
                (_, Some(n)) => Mask::Stars(n),
                _ => continue,
            };
            match Patterns::parse(&value) {
                Ok(columns) => masks.push((columns, mask)),
                Err(e) => self.wrong(&key, format!("\"{key}\": {e}")),
            }
        }
        masks
    }
    fn skipped(&mut self) -> Vec<Operation> {
        let key = "skipped.operations";
        let mut skipped = Vec::new();
        for word in filter::split(&self.optional(key).unwrap_or_default()) {
            skipped.push(match word.as_str() {
                "c" => Operation::Create,
                "u" => Operation::Update,
                "d" => Operation::Delete,
                "t" => Operation::Truncate,
                "m" => Operation::Message,
                "none" => continue,
                other => {
                    self.wrong(key, format!("\"{key}\" has \"{other}\"; give it c, u, d, t, m, or none"));
                    continue;
                }
            });
        }
        skipped
    }
    fn modes(&mut self) -> Modes {
        let digits = self.config.int_in("money.fraction.digits", 0..=38);
        Modes {
            decimal: self.choice(
                "decimal.handling.mode",
                &[("precise", DecimalMode::Precise), ("double", DecimalMode::Double), ("string", DecimalMode::String)],
            ),
            time: self.choice(
                "time.precision.mode",
                &[
                    ("adaptive", TimeMode::Adaptive),
                    ("adaptive_time_microseconds", TimeMode::AdaptiveTimeMicroseconds),
                    ("connect", TimeMode::Connect),
                    ("isostring", TimeMode::Isostring),
                    ("microseconds", TimeMode::Microseconds),
                    ("nanoseconds", TimeMode::Nanoseconds),
                ],
            ),
            binary: self.choice(
                "binary.handling.mode",
                &[
                    ("bytes", BinaryMode::Bytes),
                    ("base64", BinaryMode::Base64),
                    ("base64-url-safe", BinaryMode::Base64UrlSafe),
                    ("hex", BinaryMode::Hex),
                ],
            ),
            hstore: self.choice("hstore.handling.mode", &[("json", HstoreMode::Json), ("map", HstoreMode::Map)]),
            interval: self
                .choice("interval.handling.mode", &[("numeric", IntervalMode::Numeric), ("string", IntervalMode::String)]),
            money_digits: self.note(digits).unwrap_or(2) as u8,
            unknown: self.flag("include.unknown.datatypes"),
            placeholder: self.text("unavailable.value.placeholder"),
        }
    }

    /// Settings of Debezium's connector that change what is delivered and are not offered here.
    fn unsupported(&mut self) {
        match self.config.get("plugin.name").map(str::trim) {
            None | Some("pgoutput") => {}
            Some(other) => {
                let message = format!(
                    "\"plugin.name\" is \"{other}\"; only pgoutput is offered, which every server has: set it to pgoutput"
                );
                self.wrong("plugin.name", message);
            }
        }
        for (key, allowed) in known::REFUSED {
            let Some(value) = self.optional(key) else { continue };
            if !allowed.iter().any(|a| a.eq_ignore_ascii_case(&value)) {
                let remedy = match allowed.first() {
                    Some(word) => format!("set it to {word}, or leave it out"),
                    None => "leave it out".to_owned(),
                };
                self.wrong(key, format!("\"{key}\" is \"{value}\", which is not offered yet: {remedy}"));
            }
        }
        // It may be a secret, which is not to be shown.
        if self.optional("database.sslpassword").is_some() {
            let message = "\"database.sslpassword\" is given, but encrypted keys are not offered: decrypt the file of \"database.sslkey\", and leave it out";
            self.wrong("database.sslpassword", message.to_owned());
        }
        let hashed: Vec<String> =
            self.config.iter().map(|(k, _)| k).filter(|k| k.starts_with("column.mask.hash")).map(str::to_owned).collect();
        for key in hashed {
            self.wrong(&key, format!("\"{key}\" is not offered yet: use column.mask.with.N.chars, or a transform"));
        }
    }

    /// Settings that nobody reads, and that are nearly one somebody does.
    fn misspelt(&mut self) {
        let config = self.config;
        let given: Vec<&str> = config.iter().map(|(key, _)| key).collect();
        for key in given {
            if let Some(meant) = known::meant(key) {
                self.wrong(key, format!("\"{key}\" is no setting; did you mean \"{meant}\"? rename it, or leave it out"));
            }
        }
    }
}

pub(crate) mod known;
#[cfg(test)]
mod tests;
