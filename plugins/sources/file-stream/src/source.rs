//! The task: where it stands in the file, and how lines become records.

use std::rc::Rc;
use std::time::Duration;

use millrace_plugin::{
    Altered, BatchWriter, Config, ConfigIssue, ConfigKey, Error, PluginInfo, Polled, RecordMeta, Schema, Source, SourceOffset,
    TaskContext, clock, files, info, schema, warn,
};

use crate::lines;

const FILE: &str = "file";
const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";
const LINE_BYTES_MAX: &str = "line.bytes.max";
const BATCH_SIZE_DEFAULT: u32 = 2000;
const LINE_BYTES_MAX_DEFAULT: u32 = 1 << 20;
/// A longer line could not be held in a plugin's memory beside the record made of it.
const LINE_BYTES_LIMIT: i64 = 8 << 20;
/// How much of the file one look takes, unless a line is longer.
const READ_BYTES: u32 = 256 << 10;
const IDLE: Duration = Duration::from_millis(500);

/// One file, one task.
pub struct FileStreamSource {
    file: String,
    topic: String,
    batch_size: u32,
    line_bytes_max: usize,
    schema: u32,
    /// The source partition, as JSON.
    partition: String,
    /// The next byte to read: where a line starts, or where a line over the limit was cut.
    position: u64,
    reader: Option<files::Reader>,
    waiting: bool,
}

impl Source for FileStreamSource {
    fn info() -> PluginInfo {
        PluginInfo::source("file-stream", env!("CARGO_PKG_VERSION"))
            .doc("Reads a file line by line, as it grows; each line is a record with a null key and a string value.")
            .class("org.apache.kafka.connect.file.FileStreamSourceConnector")
            .capability("exactly-once")
            .key(ConfigKey::text(FILE).high().doc("The file to read. It need not exist yet."))
            .key(ConfigKey::text(TOPIC).required().non_empty().doc("The topic that the lines go to."))
            .key(ConfigKey::int(BATCH_SIZE).default(BATCH_SIZE_DEFAULT).low().doc("The most lines of one poll."))
            .key(
                ConfigKey::int(LINE_BYTES_MAX)
                    .default(LINE_BYTES_MAX_DEFAULT)
                    .low()
                    .extension()
                    .doc("A longer line is cut into records of this many bytes, at a character's end; none of it is lost."),
            )
            .binding(FILE, "files", [("path", FILE)])
            .capability("single-task")
    }

    fn validate(config: &Config) -> Vec<ConfigIssue> {
        // That a value is missing or no number is said by its key already.
        let batch_size = batch_size(config).err().filter(|_| config.int(BATCH_SIZE).is_ok());
        let line_bytes_max = line_bytes_max(config).err().filter(|_| config.int(LINE_BYTES_MAX).is_ok());
        [file(config).err(), batch_size, line_bytes_max].into_iter().flatten().map(ConfigIssue::from).collect()
    }

    fn alter_offsets(_: &Config, offsets: &[Altered]) -> Result<bool, Error> {
        offsets.iter().try_for_each(alterable)?;
        Ok(true)
    }

    fn start(ctx: TaskContext, committed: Vec<SourceOffset>) -> Result<Self, Error> {
        let config = &ctx.config;
        let file = file(config)?.to_owned();
        let position = committed_position(&file, &committed)?;
        if position > 0 {
            info!("resuming"; position = position);
        }
        Ok(FileStreamSource {
            topic: topic(config)?.to_owned(),
            batch_size: batch_size(config)?,
            line_bytes_max: line_bytes_max(config)?,
            schema: schema::intern(&Rc::new(Schema::text()))?,
            partition: serde_json::json!({ "filename": file }).to_string(),
            file,
            position,
            reader: None,
            waiting: false,
        })
    }

    fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, Error> {
        let (position, line_max) = (self.position, self.line_bytes_max);
        let Some(reader) = self.reader()? else {
            return Ok(Polled::idle(IDLE));
        };
        let length = reader.len()?;
        if length < position {
            return Err(self.truncated(length));
        }
        let mut bytes = reader.read(position, READ_BYTES.min(max_bytes.max(1)))?;
        if lines::cut(&bytes, line_max).is_none() && length - position > bytes.len() as u64 {
            // The line is longer than this look: take as much as a line may have, and the bytes that tell its end.
            bytes = reader.read(position, line_max as u32 + 2)?;
        }
        Ok(self.records(&bytes, max_records.min(self.batch_size)))
    }
}

impl FileStreamSource {
    /// The open file; none while it does not exist.
    fn reader(&mut self) -> Result<Option<&files::Reader>, Error> {
        if self.reader.is_none() {
            match files::Reader::open(FILE) {
                Ok(reader) => self.reader = Some(reader),
                Err(e) if e.code == files::NOT_FOUND => {
                    if !std::mem::replace(&mut self.waiting, true) {
                        warn!("the file is not there yet; waiting for it");
                    }
                    return Ok(None);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(self.reader.as_ref())
    }

    fn truncated(&self, length: u64) -> Error {
        Error::fatal(
            "file-stream.truncated",
            format!(
                "the file \"{}\" has {length} bytes but {} of it were read before: it was cut or replaced; \
                 reset the connector's offsets to read it from the start, or give it another name",
                self.file, self.position
            ),
        )
    }

    fn records(&mut self, bytes: &[u8], max: u32) -> Polled {
        let mut writer = BatchWriter::with_capacity(bytes.len() + 64 * max.min(1024) as usize);
        let topic = writer.topic(&self.topic);
        let timestamp = Some(clock::now_ms());
        let mut ends = Vec::new();
        let mut rest = bytes;
        while (ends.len() as u32) < max
            && let Some((line, taken)) = lines::cut(rest, self.line_bytes_max)
        {
            if taken == line.len() {
                warn!("a line is longer than the limit and was cut"; limit = self.line_bytes_max);
            }
            let value_schema = Some(self.schema);
            writer.begin(RecordMeta { topic, partition: None, offset: None, timestamp, key_schema: None, value_schema });
            let row = writer.rows().begin(1);
            writer.rows().text(row, 0, &String::from_utf8_lossy(line));
            writer.end_value(row);
            writer.end();
            self.position += taken as u64;
            rest = &rest[taken..];
            ends.push(self.position);
        }
        if ends.is_empty() {
            return Polled::idle(IDLE);
        }
        ends.iter().enumerate().fold(Polled::new(writer), |polled, (i, position)| {
            polled.mark(i + 1, &self.partition, format!("{{\"position\":{position}}}"))
        })
    }
}

fn file(config: &Config) -> Result<&str, Error> {
    match config.get(FILE) {
        Some(f) if !f.trim().is_empty() => Ok(f),
        _ => Err(Error::config(
            FILE,
            "\"file\" is missing: a plugin in the sandbox has no standard input; give it the path of the file to read",
        )),
    }
}

fn topic(config: &Config) -> Result<&str, Error> {
    config.required(TOPIC)
}

fn batch_size(config: &Config) -> Result<u32, Error> {
    Ok(config.int_in(BATCH_SIZE, 1..=i64::from(i32::MAX))? as u32)
}

fn line_bytes_max(config: &Config) -> Result<usize, Error> {
    Ok(config.int_in(LINE_BYTES_MAX, 16..=LINE_BYTES_LIMIT)? as usize)
}

/// Whether an offset may be set; any may be forgotten. Whether the file is that long shows when the task starts.
fn alterable(altered: &Altered) -> Result<(), Error> {
    let Some(offset) = &altered.offset else { return Ok(()) };
    let wrong = |message: &str| Err(Error::fatal("file-stream.offset", message));
    let offset: serde_json::Value = serde_json::from_str(offset).unwrap_or_default();
    let partition: serde_json::Value = serde_json::from_str(&altered.partition).unwrap_or_default();
    match offset.get("position") {
        None => wrong("Offset objects should either be null or contain the key 'position'"),
        Some(position) if !position.is_i64() => {
            wrong("The value for the 'position' key in the offset is expected to be a Long value")
        }
        Some(position) if position.as_i64() < Some(0) => {
            wrong("The value for the 'position' key in the offset should be a non-negative value")
        }
        Some(_) if partition.is_null() => wrong("Partition objects cannot be null"),
        Some(_) if partition.get("filename").is_none() => wrong("Partition objects should contain the key 'filename'"),
        Some(_) => Ok(()),
    }
}

/// The position committed for this file; 0 when there is none.
fn committed_position(file: &str, committed: &[SourceOffset]) -> Result<u64, Error> {
    for c in committed {
        let partition: serde_json::Value = serde_json::from_str(&c.partition).unwrap_or_default();
        if partition.get("filename").and_then(|f| f.as_str()) != Some(file) {
            continue;
        }
        let offset: serde_json::Value = serde_json::from_str(&c.offset).unwrap_or_default();
        if offset.is_null() {
            return Ok(0);
        }
        return offset.get("position").and_then(serde_json::Value::as_u64).ok_or_else(|| {
            Error::fatal(
                "file-stream.offset",
                format!("the stored offset {} of the file \"{file}\" has no position; reset the connector's offsets", c.offset),
            )
        });
    }
    Ok(0)
}
