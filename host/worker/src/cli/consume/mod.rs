//! `millrace consume`: shows the records of topics. It joins no consumer group and commits nothing.
//!
//! [`read`] goes through the topics, [`show`] turns a record's bytes into what a person reads, [`pipe`] sees that nobody
//! reads it any more.

mod pipe;
mod read;
mod show;

use std::io::{BufWriter, ErrorKind};
use std::process::ExitCode;

use anyhow::{Context, bail};
use millrace_record::RawConfig;

use self::pipe::Pipe;
use self::show::{Output, Show};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Values are shown as what they are: JSON and text as written, other bytes as base64:..., a tombstone as null.

Examples:
  millrace consume orders --follow
  millrace consume orders --output json --max 10 | jq .value
  millrace consume orders-sink.dlq --headers
  millrace consume orders --set value.converter=JsonConverter    the value alone, without its schema")]
pub struct Consume {
    /// The topics to read, one after the other; with --follow all at once.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// The log: Kafka, or a worker's embedded broker.
    #[arg(long, visible_alias = "bootstrap-server", default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    bootstrap: String,
    /// Start at the first record: the default, unless --follow is given.
    #[arg(long)]
    from_beginning: bool,
    /// Do not stop at the end of the topics but wait for more, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Stop after so many records.
    #[arg(long, visible_alias = "max-messages", value_name = "N")]
    max: Option<u64>,
    /// Stop when nothing came for so long, in milliseconds.
    #[arg(long, visible_alias = "timeout-ms", value_name = "MS")]
    timeout: Option<u64>,
    /// Show headers, each on a line below its record.
    #[arg(long)]
    headers: bool,
    /// Show keys, before the values.
    #[arg(long)]
    keys: bool,
    /// text: the values. json: an object a line, of topic, partition, offset, timestamp, key, value and headers.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// A converter by Connect's name, its settings (value.converter.schemas.enable=false), or a setting of the Kafka
    /// client (security.protocol=SSL).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Consume {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (converters, client) = settings(&self.sets)?;
        let show = Show::new(&converters, self.output, self.keys, self.headers, self.topics.len() > 1)?;
        let (pipe, mut out) = (Pipe::of_stdout()?, BufWriter::new(std::io::stdout().lock()));
        match read::read(&self, &client, show, &pipe, &mut out) {
            // Whoever reads our output has seen enough.
            Err(e) if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
                Ok(ExitCode::SUCCESS)
            }
            Err(e) => Err(e),
            Ok(()) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// What `--set` says: of converters by its full key, of the client with the prefix that a worker's settings have.
fn settings(sets: &[String]) -> anyhow::Result<(RawConfig, RawConfig)> {
    let (mut converters, mut client) = (RawConfig::new(), RawConfig::new());
    for set in sets {
        let Some((key, value)) = set.split_once('=') else {
            bail!("--set {set}: write it as KEY=VALUE, as in --set value.converter=JsonConverter");
        };
        let (key, value) = (key.trim(), value.trim().to_owned());
        let role = ["key.converter", "value.converter"]
            .into_iter()
            .find(|r| key.strip_prefix(r).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        match (role, key) {
            (Some(_), _) => drop(converters.insert(key.to_owned(), value)),
            (None, "bootstrap.servers") => bail!("--set {set}: give the address with --bootstrap {value}"),
            (None, "group.id") => bail!("--set {set}: consume joins no group; leave it out"),
            (None, _) => {
                let key = key.strip_prefix("consumer.").unwrap_or(key);
                client.insert(format!("consumer.{key}"), value);
            }
        }
    }
    for role in ["key", "value"] {
        let class = format!("{role}.converter");
        if let Some(key) = converters.keys().find(|k| k.starts_with(&format!("{class}.")) && !converters.contains_key(&class)) {
            return Err(anyhow::anyhow!("it is a setting of a converter that is not named"))
                .with_context(|| format!("--set {key}=...: name its class too, as in --set {class}=JsonConverter"));
        }
    }
    Ok((converters, client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sets: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        let text = |c: RawConfig| c.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        settings(&sets).map(|(a, b)| (text(a), text(b))).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn settings_go_to_converters_or_to_the_client() {
        let sets = ["value.converter=JsonConverter", "value.converter.schemas.enable=false", "security.protocol=SSL"];
        let (converters, client) = check(&sets).unwrap();
        assert_eq!(converters, ["value.converter=JsonConverter", "value.converter.schemas.enable=false"]);
        assert_eq!(client, ["consumer.security.protocol=SSL"]);
        assert_eq!(check(&["consumer.fetch.min.bytes=1"]).unwrap().1, ["consumer.fetch.min.bytes=1"]);
    }

    #[test]
    fn wrong_settings_are_refused_with_a_remedy() {
        for (set, remedy) in [
            ("value.converter", "as KEY=VALUE"),
            ("bootstrap.servers=a:1", "--bootstrap a:1"),
            ("group.id=x", "joins no group"),
            ("key.converter.schemas.enable=true", "--set key.converter=JsonConverter"),
        ] {
            let error = check(&[set]).unwrap_err();
            assert!(error.contains(set.split('=').next().unwrap()) && error.contains(remedy), "{error}");
        }
    }
}
