//! Where the source is: the offset it commits and resumes from, in the fields that Debezium's connector uses.
//!
//! A slot gives whole transactions in the order of their commits, so a place in it is exact when it names a transaction (by
//! where its commit record lies) and how many of its messages have been taken: `lsn_commit` is where the log goes on after
//! the last whole transaction, `commit_at` and `taken` are a transaction that was begun after it. Positions of changes
//! (`lsn`) would not do: rows that one statement wrote together share one.

use serde_json::{Map, Value, json};

use crate::wal::Lsn;

/// A place in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Everything that was committed before here has been taken. The slot may be confirmed up to it.
    pub resume: Lsn,
    /// The transaction taken in part.
    pub partial: Option<Partial>,
    /// Of the last event, for the reader of an offset.
    pub lsn: Lsn,
    pub xid: u32,
    pub time_us: i64,
}

/// A transaction, and how many of its messages have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    pub commit: Lsn,
    pub taken: u64,
}

/// What a committed offset says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// A snapshot was begun and not ended.
    InSnapshot,
    /// A snapshot alone was asked for, and is done. The stream could start here.
    From(Position),
    /// An offset of Debezium's connector in the midst of a transaction: the changes before `lsn` were taken.
    Debezium { resume: Lsn, lsn: Lsn },
}

impl Position {
    /// The offset as a JSON object.
    pub fn offset(&self) -> String {
        Value::Object(self.fields()).to_string()
    }

    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        // Before the first event there is only the place where it may come.
        let lsn = if self.lsn.0 == 0 { self.resume } else { self.lsn };
        fields.insert("lsn_proc".into(), json!(lsn.0));
        fields.insert("lsn_commit".into(), json!(self.resume.0));
        fields.insert("lsn".into(), json!(lsn.0));
        fields.insert("txId".into(), json!(self.xid));
        fields.insert("ts_usec".into(), json!(self.time_us));
        if let Some(partial) = self.partial {
            fields.insert("commit_at".into(), json!(partial.commit.0));
            fields.insert("taken".into(), json!(partial.taken));
        }
        fields.insert("millrace".into(), json!(1));
        fields
    }

    /// The offset at the end of a snapshot whose mode is `mode`.
    pub fn snapshot_offset(&self, mode: &str) -> String {
        let mut fields = self.fields();
        fields.insert("snapshot".into(), json!(mode.to_uppercase()));
        fields.insert("last_snapshot_record".into(), json!(true));
        fields.insert("snapshot_completed".into(), json!(true));
        Value::Object(fields).to_string()
    }
}

/// The source partition of a connector.
pub fn partition(topic_prefix: &str) -> String {
    json!({ "server": topic_prefix }).to_string()
}

/// Reads a committed offset; the error says what is wrong with it.
pub fn resume(offset: &str) -> Result<Resume, String> {
    let fields: Map<String, Value> = serde_json::from_str(offset).map_err(|e| format!("it is not a JSON object: {e}"))?;
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    if fields.contains_key("snapshot") && fields.get("last_snapshot_record") != Some(&Value::Bool(true)) {
        return Ok(Resume::InSnapshot);
    }
    let lsn = Lsn(number("lsn").ok_or("it has no number \"lsn\"")?);
    let resume = number("lsn_commit").map_or(lsn, Lsn);
    if !fields.contains_key("millrace") && number("lsn_proc").is_some_and(|p| p != resume.0) {
        return Ok(Resume::Debezium { resume, lsn });
    }
    let partial = match (number("commit_at"), number("taken")) {
        (Some(commit), Some(taken)) => Some(Partial { commit: Lsn(commit), taken }),
        _ => None,
    };
    let time_us = fields.get("ts_usec").and_then(Value::as_i64).unwrap_or(0);
    Ok(Resume::From(Position { resume, partial, lsn, xid: number("txId").unwrap_or(0) as u32, time_us }))
}

/// Up to where the slot may be confirmed, for an offset that is durable.
pub fn releasable(offset: &str) -> Option<Lsn> {
    match resume(offset).ok()? {
        Resume::From(p) => Some(p.resume),
        Resume::Debezium { .. } | Resume::InSnapshot => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_come_back() {
        let whole = Position { resume: Lsn(7), partial: None, lsn: Lsn(5), xid: 3, time_us: 9 };
        let begun = Position { partial: Some(Partial { commit: Lsn(90), taken: 4 }), ..whole };
        for p in [whole, begun] {
            assert_eq!(resume(&p.offset()), Ok(Resume::From(p)));
            assert_eq!(resume(&p.snapshot_offset("initial")), Ok(Resume::From(p)));
            assert_eq!(releasable(&p.offset()), Some(Lsn(7)));
        }
    }

    #[test]
    fn offsets_of_debezium_are_understood() {
        let between = r#"{"transaction_id":null,"lsn_proc":10,"lsn_commit":10,"lsn":10,"txId":571,"ts_usec":1}"#;
        assert!(matches!(resume(between), Ok(Resume::From(Position { resume: Lsn(10), partial: None, .. }))));
        let within = r#"{"lsn_proc":20,"lsn_commit":10,"lsn":20,"txId":571,"ts_usec":1}"#;
        assert_eq!(resume(within), Ok(Resume::Debezium { resume: Lsn(10), lsn: Lsn(20) }));
        let snapshot = r#"{"snapshot":"INITIAL","lsn":20,"last_snapshot_record":false}"#;
        assert_eq!(resume(snapshot), Ok(Resume::InSnapshot));
    }

    #[test]
    fn a_wrong_offset_is_named() {
        assert!(resume("[]").is_err());
        assert_eq!(resume("{}"), Err("it has no number \"lsn\"".to_owned()));
    }
}
