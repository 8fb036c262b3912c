//! For tests: replaces each value by `seen once`, both kept in the state. `seen` counts every record that comes, one that comes
//! again too; `once` counts records of a partition beyond the offset that is kept beside it.

use millrace_plugin::{Batch, Error, Outcome, PluginInfo, TaskContext, Transform, state};
use millrace_plugin::{Document as Doc, export_transform};

struct Count;

fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl Transform for Count {
    fn info() -> PluginInfo {
        PluginInfo::transform("relay-count", env!("CARGO_PKG_VERSION"))
            .doc("For tests: replaces each value by how many records came before it.")
            .class("test.Count")
    }

    fn configure(_: TaskContext) -> Result<Self, Error> {
        Ok(Count)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let rows = batch.rows()?;
        let mut seen = number(state::get("seen").as_deref());
        let (mut out, mut origin) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (i, record) in rows.iter().enumerate() {
            seen += 1;
            // The count and the offset up to which it goes are one value, which is stored whole or not at all.
            let key = format!("once/{}-{}", rows.topic_of(&record), record.partition().unwrap_or(0));
            let kept = state::get(&key).unwrap_or_default();
            let (mut once, next) = (number(kept.get(..8)), number(kept.get(8..)));
            if let Some(offset) = record.offset().filter(|offset| *offset as u64 >= next) {
                once += 1;
                state::put(&key, &[once.to_le_bytes(), (offset as u64 + 1).to_le_bytes()].concat())?;
            }
            out.push(Doc { topic: None, key: None, value: Some(format!("\"{seen} {once}\"")) });
            origin.push(i as u32);
        }
        state::put("seen", &seen.to_le_bytes())?;
        Ok(Outcome::documents(out, origin))
    }
}

export_transform!(Count);
