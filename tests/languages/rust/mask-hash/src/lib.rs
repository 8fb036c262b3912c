//! Hides an e-mail address, and leaves its hash beside it.

use millrace_plugin::{
    Batch, Column, ColumnData, ColumnStyle, ConfigKey, Error, Outcome, Packed, Patch, PluginInfo, RecordFailure, TaskContext,
    Transform, export_transform,
};
use sha2::{Digest, Sha256};

export_transform!(MaskHash);

struct MaskHash {
    path: String,
    salt: String,
}

impl Transform for MaskHash {
    fn info() -> PluginInfo {
        PluginInfo::transform("mask-hash-rust", env!("CARGO_PKG_VERSION"))
            .doc("Hides an e-mail address, and leaves its hash beside it.")
            .key(ConfigKey::text("field").required().doc("The field that holds the address."))
            .key(ConfigKey::text("salt").default("").doc("What the hash begins with."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        let path = format!("value.{}", ctx.config.required("field")?);
        Ok(MaskHash { path, salt: ctx.config.get("salt").unwrap_or_default().to_owned() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let column = match batch.column(&self.path, ColumnStyle::Packed) {
            Ok(column) => column,
            Err(e) if e.code == "records.no-such-column" => return Ok(Outcome::unchanged()),
            Err(e) => return Err(e),
        };
        let ColumnData::Packed(Packed { offsets, data }) = &column.data else {
            return Err(Error::fatal("mask-hash.no-text", format!("{} holds no text", self.path)));
        };
        let n = offsets.len().saturating_sub(1);
        // A packed column keeps the type of the field that it replaces; as a new field it would be bytes, and the hash is a text.
        let (mut masked, mut hashes) = (Written::with(n), Vec::with_capacity(n));
        let mut failures = Vec::new();
        for (row, at) in offsets.windows(2).enumerate() {
            let mut hashed = String::new();
            if !is_null(&column.nulls, row) {
                let address = &data[at[0] as usize..at[1] as usize];
                match mask(address, &mut masked.data) {
                    true => hash(&self.salt, address, &mut hashed),
                    false => failures.push(RecordFailure::poison(row, "mask-hash.no-address", "there is no address")),
                }
            }
            masked.end();
            hashes.push(hashed);
        }
        let hash_path = format!("{}_hash", self.path);
        let hashes = Column { path: hash_path, nulls: column.nulls.clone(), data: ColumnData::Texts(hashes) };
        let set = vec![masked.column(&self.path, &column.nulls), hashes];
        let patch = Patch { drop_rows: Vec::new(), remove_fields: Vec::new(), set };
        Ok(Outcome::patch(patch).failing(failures))
    }
}

fn is_null(nulls: &[u8], row: usize) -> bool {
    nulls.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1)
}

/// Whether it is an address.
fn mask(address: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(at) = address.iter().position(|b| *b == b'@').filter(|at| *at > 0) else { return false };
    let first = address[1..].iter().position(|b| b & 0xC0 != 0x80).map_or(address.len(), |n| n + 1);
    out.extend_from_slice(&address[..first]);
    out.extend_from_slice(b"***");
    out.extend_from_slice(&address[at..]);
    true
}

fn hash(salt: &str, address: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(64);
    for byte in Sha256::new().chain_update(salt).chain_update(address).finalize() {
        out.extend([byte >> 4, byte & 15].map(|half| char::from(DIGITS[usize::from(half)])));
    }
}

/// A column on its way.
struct Written {
    offsets: Vec<u32>,
    data: Vec<u8>,
}

impl Written {
    fn with(n: usize) -> Self {
        let mut offsets = Vec::with_capacity(n + 1);
        offsets.push(0);
        Written { offsets, data: Vec::new() }
    }
    fn end(&mut self) {
        self.offsets.push(self.data.len() as u32);
    }
    fn column(self, path: &str, nulls: &[u8]) -> Column {
        let data = ColumnData::Packed(Packed { offsets: self.offsets, data: self.data });
        Column { path: path.to_owned(), nulls: nulls.to_owned(), data }
    }
}
