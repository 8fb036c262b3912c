//! Which records are the same: what a change event says of its place in the database's log, its table, its operation and its
//! rows, and the record's key, as one hash of 128 bits.
//!
//! A place alone is not enough: rows that one statement wrote share it. The rows count beside the key, since a key that was
//! chosen by hand may be of several rows. Two changes that are taken for one would be a lost record; what is not recognized
//! only comes twice. So in doubt a record has no identity.

use std::hash::Hasher;
use std::sync::Arc;

use millrace_record::row::Row;
use millrace_record::{Kind, Schema, Schemas};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::super::object::Object;
use super::super::rows::BySchema;
use super::super::{Incoming, Operand, Part};

/// A hash of an identity. The same for ever, and on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u64, pub u64);

/// Who a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Record {
        id: Id,
        /// It is a delete, or may be one, of this key: a tombstone that follows goes its way.
        deletes: Option<Id>,
    },
    /// Of this key.
    Tombstone {
        key: Id,
    },
    Nobody,
}

/// The blocks and fields of Debezium's envelope, and of what is left of it once it was unwrapped with these fields added.
const SOURCE: &str = "source";
const SOURCE_MUST: [&str; 3] = ["lsn", "schema", "table"];
const SOURCE_MAY: [&str; 2] = ["name", "db"];
const CONTENT: [&str; 3] = ["before", "after", "message"];
const FLAT_MUST: [&str; 3] = ["__lsn", "__schema", "__table"];
const FLAT_MAY: [&str; 3] = ["__op", "__name", "__db"];
/// Fields that unwrapping has added begin with it.
const ADDED: &str = "__";

/// Finds out who records are.
pub struct Identities {
    /// Paths of the fields that name a record; none: as Debezium has them.
    fields: Option<Vec<Vec<String>>>,
    plans: BySchema<Plan>,
}

/// Where a schema has what counts.
enum Plan {
    Nobody,
    Fields(Fields),
}

struct Fields {
    /// Null is no identity.
    must: Vec<Path>,
    may: Vec<Path>,
    op: Option<Path>,
    /// Who has no key has no identity, unless a whole table was emptied.
    key: bool,
}

/// A field: its slot in each struct on the way.
struct Path {
    slots: Vec<usize>,
    kind: Kind,
}

/// What the value says.
struct Said {
    hash: Hash,
    op: Option<u8>,
    key: bool,
}

impl Identities {
    pub fn new(fields: Option<Vec<Vec<String>>>, schemas: &Arc<Schemas>) -> Self {
        Identities { fields, plans: BySchema::new(schemas) }
    }

    pub fn of(&mut self, record: &Incoming<'_>) -> Named {
        let key = record.operand(Part::Key);
        let key = match &key {
            Operand::Null(_) => None,
            Operand::Free(text) => Some(text.as_bytes()),
            Operand::Typed(_, row) => Some(row.bytes()),
        };
        let of_key = |key: &[u8]| {
            let mut hash = Hash::of(b"key");
            hash.add(key);
            hash.id()
        };
        let said = match record.operand(Part::Value) {
            Operand::Null(_) => return key.map_or(Named::Nobody, |key| Named::Tombstone { key: of_key(key) }),
            Operand::Typed(schema, root) => {
                let fields = self.fields.as_deref();
                let plan = self.plans.get(schema, |schema, _| Ok(Plan::of(schema, fields)));
                plan.ok().and_then(|plan| plan.read(&root))
            }
            Operand::Free(text) => free(text, self.fields.as_deref()),
        };
        let Some(Said { mut hash, op, key: needed }) = said else { return Named::Nobody };
        match key {
            Some(key) => hash.add(key),
            None if needed && op != Some(b't') => return Named::Nobody,
            None => hash.none(),
        }
        let deletes = key.filter(|_| op.is_none_or(|op| op == b'd')).map(of_key);
        Named::Record { id: hash.id(), deletes }
    }
}

/// Of a tombstone that was dropped at an offset.
pub fn tombstone(key: Id, offset: i64) -> Id {
    let mut hash = Hash::of(b"tombstone");
    [key.0, key.1, offset as u64].into_iter().for_each(|n| hash.add(&n.to_le_bytes()));
    hash.id()
}

impl Plan {
    fn of(schema: &Schema, fields: Option<&[Vec<String>]>) -> Plan {
        let op = Path::find(schema, &["op"]).or_else(|| Path::find(schema, &["__op"])).filter(|op| op.kind == Kind::Text);
        if let Some(fields) = fields {
            let must: Option<Vec<_>> = fields.iter().map(|path| Path::find(schema, path)).collect();
            return must.map_or(Plan::Nobody, |must| Plan::Fields(Fields { must, may: Vec::new(), op, key: false }));
        }
        let all = |names: &[&str]| names.iter().map(|name| Path::find(schema, &[name])).collect::<Option<Vec<_>>>();
        let source = |names: &[&str]| names.iter().map(|name| Path::find(schema, &[SOURCE, name])).collect::<Vec<_>>();
        let envelope: Option<Vec<_>> = source(&SOURCE_MUST).into_iter().collect();
        if let (Some(mut must), Some(op)) = (envelope, Path::find(schema, &["op"])) {
            must.push(op);
            let content = CONTENT.iter().map(|name| Path::find(schema, &[name]));
            let may = source(&SOURCE_MAY).into_iter().chain(content).flatten().collect();
            let op = Path::find(schema, &["op"]);
            return Plan::Fields(Fields { must, may, op, key: true });
        }
        let Some(must) = all(&FLAT_MUST) else { return Plan::Nobody };
        let content = schema.fields.iter().map(|f| &*f.name).filter(|name| !name.starts_with(ADDED));
        let may = FLAT_MAY.into_iter().chain(content).filter_map(|name| Path::find(schema, &[name])).collect();
        Plan::Fields(Fields { must, may, op, key: true })
    }

    fn read(&self, root: &Row<'_>) -> Option<Said> {
        let Plan::Fields(Fields { must, may, op, key }) = self else { return None };
        let mut hash = Hash::of(b"record");
        for path in must {
            path.add(root, &mut hash).then_some(())?;
        }
        for path in may {
            if !path.add(root, &mut hash) {
                hash.none();
            }
        }
        let op = op.as_ref().and_then(|op| op.row(root)?.get_bytes(*op.slots.last()?).first().copied());
        Some(Said { hash, op, key: *key })
    }
}

impl Path {
    fn find(schema: &Schema, names: &[impl AsRef<str>]) -> Option<Path> {
        let (mut schema, mut slots) = (schema, Vec::with_capacity(names.len()));
        for name in names {
            let slot = (schema.kind == Kind::Struct).then(|| schema.index(name.as_ref()))??;
            schema = &schema.fields[slot].schema;
            slots.push(slot);
        }
        Some(Path { slots, kind: schema.kind })
    }

    /// The row that has the field; none: the field is null.
    fn row<'r>(&self, root: &Row<'r>) -> Option<Row<'r>> {
        let (last, way) = self.slots.split_last()?;
        let row = way.iter().try_fold(*root, |row, slot| row.row(*slot))?;
        (!row.is_null(*last)).then_some(row)
    }

    /// False: it is null, and nothing was added.
    fn add(&self, root: &Row<'_>, hash: &mut Hash) -> bool {
        let (Some(row), Some(slot)) = (self.row(root), self.slots.last()) else { return false };
        match self.kind {
            Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Float32 | Kind::Float64 => {
                hash.add(&row.slot(*slot).to_le_bytes());
            }
            Kind::Text | Kind::Bytes | Kind::Any | Kind::Struct | Kind::List | Kind::Map => hash.add(row.get_bytes(*slot)),
        }
        true
    }
}

/// The same of a value without a schema.
fn free(text: &str, fields: Option<&[Vec<String>]>) -> Option<Said> {
    let root = Object::read(text).ok()??;
    let mut hash = Hash::of(b"free record");
    // A text of one letter, in its quotes.
    let op = |name: &str| root.get(name).and_then(|op| op.as_bytes().get(1).copied());
    if let Some(fields) = fields {
        for path in fields {
            hash.add(member(&root, path)?.as_bytes());
        }
        return Some(Said { hash, op: op("op").or_else(|| op("__op")), key: false });
    }
    let mut may = |object: &Object<'_>, name: &str| match object.get(name) {
        Some(text) => hash.add(text.as_bytes()),
        None => hash.none(),
    };
    if let (Some(source), Some(_)) = (root.get(SOURCE), op("op")) {
        let source = Object::read(source).ok()??;
        SOURCE_MUST.iter().all(|name| source.get(name).is_some()).then_some(())?;
        SOURCE_MUST.iter().chain(&SOURCE_MAY).for_each(|name| may(&source, name));
        CONTENT.iter().chain(&["op"]).for_each(|name| may(&root, name));
        return Some(Said { op: op("op"), hash, key: true });
    }
    FLAT_MUST.iter().all(|name| root.get(name).is_some()).then_some(())?;
    FLAT_MUST.iter().chain(&FLAT_MAY).for_each(|name| may(&root, name));
    for (name, text) in root.members().filter(|(name, _)| !name.starts_with(ADDED)) {
        hash.add(name.as_bytes());
        hash.add(text.as_bytes());
    }
    Some(Said { op: op("__op"), hash, key: true })
}

/// The text at a path, if it is not null.
fn member(object: &Object<'_>, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let text = object.get(first)?;
    if rest.is_empty() { Some(text.to_owned()) } else { member(&Object::read(text).ok()??, rest) }
}

/// Parts of an identity, each told from the next.
struct Hash(SipHasher13);

impl Hash {
    /// Of a kind of its own.
    fn of(kind: &[u8]) -> Hash {
        let mut hash = Hash(SipHasher13::new());
        hash.add(kind);
        hash
    }
    fn add(&mut self, part: &[u8]) {
        self.0.write(&(part.len() as u64).to_le_bytes());
        self.0.write(part);
    }
    /// A part that is null.
    fn none(&mut self) {
        self.0.write(&u64::MAX.to_le_bytes());
    }
    fn id(self) -> Id {
        let hash = self.0.finish128();
        Id(hash.h1, hash.h2)
    }
}
