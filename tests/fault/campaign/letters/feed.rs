//! The records: lines of a file, of which some are refused by the table, some lack what it wants, and some cannot be read.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

/// Between two writes, and how many lines each has.
const PAUSE: Duration = Duration::from_millis(8);
const LINES: usize = 3;
/// What the column `note` says, which takes no other.
pub const WELL: &str = "well";
pub const MENDED: &str = "mended";
const UNREADABLE: &str = "no JSON, ";

/// What is the matter with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Well,
    /// The table refuses it; a patch mends it.
    Refused,
    /// The converter cannot read it, and nothing mends it.
    Unreadable,
}

/// Of the record of a number: three in twelve are bad, each in another way.
pub fn kind(number: usize) -> Kind {
    match number % 12 {
        3 | 6 => Kind::Refused,
        9 => Kind::Unreadable,
        _ => Kind::Well,
    }
}

pub fn line(number: usize) -> String {
    let payload = match (kind(number), number % 12) {
        (Kind::Unreadable, _) => return format!("{UNREADABLE}{number}"),
        (Kind::Well, _) => json!({"id": number, "seq": number, "note": WELL}),
        (Kind::Refused, 3) => json!({"id": null, "seq": number, "note": WELL}),
        (Kind::Refused, _) => json!({"id": number, "seq": number, "note": "refused"}),
    };
    let fields = json!([
        {"field": "id", "type": "int64", "optional": true}, {"field": "seq", "type": "int64"}, {"field": "note", "type": "string"},
    ]);
    json!({"schema": {"type": "struct", "fields": fields}, "payload": payload}).to_string()
}

/// The number of a record, if it is as it was written.
pub fn number(record: &[u8]) -> anyhow::Result<usize> {
    let text = std::str::from_utf8(record)?;
    let number = match text.strip_prefix(UNREADABLE) {
        Some(number) => number.parse().ok(),
        None => serde_json::from_str::<Value>(text).ok().and_then(|v| v["payload"]["seq"].as_u64()).map(|n| n as usize),
    };
    number.filter(|n| line(*n) == text).ok_or_else(|| anyhow::anyhow!("{text:?} was never written"))
}

/// Mends what the table refuses.
pub fn patch() -> Value {
    json!([{"op": "copy", "from": "/seq", "path": "/id"}, {"op": "replace", "path": "/note", "value": MENDED}])
}

pub struct Feed {
    input: std::fs::File,
    pub written: usize,
}

impl Feed {
    pub fn new(path: &Path) -> anyhow::Result<Feed> {
        Ok(Feed { input: std::fs::File::options().create(true).append(true).open(path)?, written: 0 })
    }

    /// Writes until it is told to stop.
    pub async fn write(&mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*stop.borrow_and_update() {
            let lines: String = (self.written..self.written + LINES).map(|n| line(n) + "\n").collect();
            self.input.write_all(lines.as_bytes())?;
            self.written += LINES;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
