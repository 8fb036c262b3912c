//! Writes the vectors that every language's row codec is held to (`wit/row/vectors`), or, with `--check`, says whether
//! they are current. A codec in another language reads each `NAME.rows`, prints it by the shapes in `shapes`, and must
//! print `NAME.txt`; then it copies every record into a new batch and must get the same bytes again. `mutations` names
//! single-byte changes and cuts of these buffers: the codec must refuse what this crate refuses, and print the rest of
//! them to a text with the same hash (FNV-1a, 64 bits), without ever reading out of bounds.
//!
//!     cargo run -p millrace-row --example vectors

use std::fmt::Write as _;
use std::path::Path;

use millrace_row::{Batch, BatchWriter, Header, NONE, Record, RecordMeta, Row, RowBuf, RowMark};

/// What a slot holds. `i` integer, `b` boolean, `f` float, `t` text, `x` bytes, `a` any, `{..}` struct, `[.]` list,
/// `(..)` map: as `shapes` spells them.
#[derive(Clone)]
enum Shape {
    Int,
    Bool,
    Float,
    Text,
    Bytes,
    Struct(Vec<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
}
use Shape::{Bool, Bytes, Float, Int, List, Map, Struct, Text};

impl Shape {
    fn spell(&self) -> String {
        match self {
            Int => "i".into(),
            Bool => "b".into(),
            Float => "f".into(),
            Text => "t".into(),
            Bytes => "x".into(),
            Struct(fields) => format!("{{{}}}", fields.iter().map(Shape::spell).collect::<String>()),
            List(of) => format!("[{}]", of.spell()),
            Map(k, v) => format!("({}{})", k.spell(), v.spell()),
        }
    }
    /// The shapes of a root row's slots.
    fn slots(&self) -> Vec<Shape> {
        match self {
            Struct(fields) => fields.clone(),
            other => vec![other.clone()],
        }
    }
}

/// The shape of each schema id, from 0; schemaless is a text.
fn shapes() -> Vec<Shape> {
    let point = Struct(vec![Float, Float]);
    let order = Struct(vec![Int, Text, Bool, Float, Bytes]);
    vec![
        order.clone(),
        Text,
        // The same with a field more: what a schema change inside a batch looks like.
        Struct(vec![Int, Text, Bool, Float, Bytes, Text]),
        Struct(vec![Int, point.clone(), List(Box::new(Text)), Map(Box::new(Text), Box::new(Int)), List(Box::new(point))]),
        Struct((0..130).map(|i| if i % 3 == 0 { Text } else { Int }).collect()),
        Struct(vec![order.clone(), order, Text]),
        List(Box::new(List(Box::new(Int)))),
        Struct(vec![]),
        Map(Box::new(Text), Box::new(Struct(vec![Text, Int]))),
    ]
}

/// A xorshift generator with a fixed seed: the vectors are the same on every machine.
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

const TEXTS: [&str; 7] = ["", "a", "ada@example.com", "naïve", "\u{1F600} smile", "line\nbreak \"quoted\"", "\0"];
const INTS: [i64; 7] = [0, 1, -1, i64::MAX, i64::MIN, 42, 1_700_000_000_000];
const FLOATS: [f64; 6] = [0.0, -0.0, 1.5, f64::INFINITY, f64::MIN_POSITIVE, -2.25e300];

fn fill(buf: &mut RowBuf, row: RowMark, i: usize, shape: &Shape, rng: &mut Rng) {
    if rng.below(6) == 0 {
        return;
    }
    match shape {
        Int => buf.i64(row, i, INTS[rng.below(7) as usize]),
        Bool => buf.bool(row, i, rng.below(2) == 1),
        Float => buf.f64(row, i, FLOATS[rng.below(6) as usize]),
        Text => buf.text(row, i, TEXTS[rng.below(7) as usize]),
        Bytes => {
            let bytes: Vec<u8> = (0..rng.below(9)).map(|_| rng.next() as u8).collect();
            buf.bytes(row, i, &bytes);
        }
        Struct(fields) => {
            let nested = root(buf, fields, rng);
            buf.end_nested(row, i, nested);
        }
        List(of) => {
            let n = rng.below(5) as usize;
            let nested = root(buf, &vec![(**of).clone(); n], rng);
            buf.end_nested(row, i, nested);
        }
        Map(k, v) => {
            let n = rng.below(4) as usize;
            let pair = buf.begin(2);
            for (slot, of) in [k, v].into_iter().enumerate() {
                let list = root(buf, &vec![(**of).clone(); n], rng);
                buf.end_nested(pair, slot, list);
            }
            buf.end_nested(row, i, pair);
        }
    }
}

fn root(buf: &mut RowBuf, shapes: &[Shape], rng: &mut Rng) -> RowMark {
    let row = buf.begin(shapes.len());
    for (i, s) in shapes.iter().enumerate() {
        fill(buf, row, i, s, rng);
    }
    row
}

/// A batch of records with schemas out of `ids`; none of a record's parts is always there.
fn batch(seed: u64, n: usize, ids: &[u32]) -> Vec<u8> {
    let (mut rng, shapes) = (Rng(seed), shapes());
    let of = |id: u32| if id == NONE { vec![Text] } else { shapes[id as usize].slots() };
    let mut w = BatchWriter::new();
    for i in 0..n {
        let topic = w.topic(["shop.public.orders", "t", "prüfung"][rng.below(3) as usize]);
        let id = ids[rng.below(ids.len() as u64) as usize];
        let some = |rng: &mut Rng| rng.below(4) > 0;
        let key_schema = if some(&mut rng) { 1 } else { NONE };
        w.begin(RecordMeta {
            topic,
            partition: some(&mut rng).then_some(i as i32 % 7),
            offset: some(&mut rng).then_some(1000 + i as i64),
            timestamp: some(&mut rng).then(|| rng.next() as i64 >> 20),
            key_schema: (key_schema != NONE).then_some(key_schema),
            value_schema: (id != NONE).then_some(id),
        });
        if rng.below(8) > 0 {
            let row = root(w.rows(), &of(id), &mut rng);
            w.end_value(row);
        }
        if rng.below(5) > 0 {
            let row = root(w.rows(), &of(key_schema), &mut rng);
            w.end_key(row);
        }
        for h in 0..rng.below(3) {
            let id = [1, 3, NONE][rng.below(3) as usize];
            let mut buf = RowBuf::new();
            if some(&mut rng) {
                root(&mut buf, &of(id), &mut rng);
            }
            let name = ["trace-id", "", "überschrift"][(h + rng.below(2)) as usize];
            w.header(Header { name, schema: (id != NONE).then_some(id), value: Row::new(buf.as_bytes()) });
        }
        w.end();
    }
    w.finish()
}

fn big() -> Vec<u8> {
    let mut w = BatchWriter::new();
    let topic = w.topic("big");
    w.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: Some(1) });
    let row = w.rows().begin(1);
    w.rows().text(row, 0, &"0123456789abcdef".repeat(1024));
    w.end_value(row);
    w.end();
    w.finish()
}

fn hex(out: &mut String, bytes: &[u8]) {
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
}

/// Prints a slot; `?` where it points outside its row or at no row. `budget` bounds what a malformed buffer can repeat.
fn print_slot(out: &mut String, row: Row<'_>, i: usize, shape: &Shape, budget: &mut u32) {
    if *budget == 0 {
        return out.push('!');
    }
    *budget -= 1;
    if row.is_null(i) {
        return out.push('~');
    }
    match shape {
        Int => drop(write!(out, "{}", row.i64(i))),
        Bool => out.push(if row.bool(i) { 'T' } else { 'F' }),
        Float => drop(write!(out, "{:016x}", row.slot(i))),
        Text | Bytes => match row.try_bytes(i) {
            Some(bytes) => {
                out.push('<');
                hex(out, bytes);
                out.push('>');
            }
            None => out.push('?'),
        },
        Struct(fields) => match row.row(i) {
            Some(r) => print_row(out, r, fields, budget),
            None => out.push('?'),
        },
        List(of) => match row.row(i) {
            Some(r) => print_list(out, r, of, budget),
            None => out.push('?'),
        },
        Map(k, v) => match row.row(i) {
            Some(r) => {
                out.push('(');
                print_slot(out, r, 0, &List(k.clone()), budget);
                out.push(':');
                print_slot(out, r, 1, &List(v.clone()), budget);
                out.push(')');
            }
            None => out.push('?'),
        },
    }
}

fn print_row(out: &mut String, row: Row<'_>, shapes: &[Shape], budget: &mut u32) {
    out.push('{');
    for (i, s) in shapes.iter().enumerate() {
        print_slot(out, row, i, s, budget);
        out.push(' ');
    }
    out.push('}');
}

fn print_list(out: &mut String, row: Row<'_>, of: &Shape, budget: &mut u32) {
    out.push('[');
    for i in 0..row.len() {
        print_slot(out, row, i, of, budget);
        out.push(' ');
        if *budget == 0 {
            break;
        }
    }
    out.push(']');
}

fn print_part(out: &mut String, row: Option<Row<'_>>, schema: Option<u32>, shapes: &[Shape], budget: &mut u32) {
    let _ = write!(out, "{}=", schema.map_or(-1, i64::from));
    match (row, schema) {
        (None, _) => out.push('-'),
        (Some(r), None) => print_row(out, r, &[Text], budget),
        (Some(r), Some(id)) => match shapes.get(id as usize) {
            Some(s) => print_row(out, r, &s.slots(), budget),
            None => out.push('?'),
        },
    }
}

fn print(batch: &Batch<'_>, shapes: &[Shape]) -> String {
    let (mut out, mut budget) = (String::new(), 20_000);
    let print_record = |out: &mut String, r: Record<'_>, budget: &mut u32| {
        let _ = write!(
            out,
            "{} {} {} {} value ",
            batch.topic_of(&r),
            r.partition().unwrap_or(-1),
            r.offset().unwrap_or(-1),
            r.timestamp().unwrap_or(i64::MIN)
        );
        print_part(out, r.value(), r.value_schema(), shapes, budget);
        out.push_str(" key ");
        print_part(out, r.key(), r.key_schema(), shapes, budget);
        for h in r.headers() {
            let _ = write!(out, " header {} ", h.name);
            print_part(out, h.value, h.schema, shapes, budget);
        }
        out.push('\n');
    };
    for r in batch.iter() {
        print_record(&mut out, r, &mut budget);
    }
    out
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let check = std::env::args().any(|a| a == "--check");
    let mut stale = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        if !check {
            std::fs::write(&path, bytes).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        } else if std::fs::read(&path).ok().as_deref() != Some(bytes) {
            stale.push(name.to_owned());
        }
    };
    let shapes = shapes();
    put("shapes", shapes.iter().map(|s| s.spell() + "\n").collect::<String>().as_bytes());
    let vectors = [
        ("empty", BatchWriter::new().finish()),
        ("plain", batch(0x1234_5678, 12, &[0])),
        ("changing", batch(0x9e37_79b9, 16, &[0, 2, 1, NONE])),
        ("nested", batch(0xdead_beef, 12, &[3, 5, 6, 8])),
        ("wide", batch(0x0bad_cafe, 3, &[4, 7])),
        ("big", big()),
    ];
    let (mut mutations, mut rng) = (String::new(), Rng(0x5eed));
    for (name, bytes) in &vectors {
        let batch = Batch::parse(bytes).expect("this crate reads what it writes");
        put(&format!("{name}.rows"), bytes);
        put(&format!("{name}.txt"), print(&batch, &shapes).as_bytes());
        if *name == "big" {
            continue;
        }
        for round in 0..400 {
            let at = rng.below(bytes.len() as u64) as usize;
            // Every eighth round cuts the buffer there, the others change one byte.
            let flip = [0xff, 0x01, 0x80, 1 + rng.below(255) as u8][rng.below(4) as usize];
            let mut changed = bytes.clone();
            if round % 8 == 7 {
                changed.truncate(at);
            } else {
                changed[at] ^= flip;
            }
            let verdict = match Batch::parse(&changed) {
                Ok(b) => format!("{:016x}", fnv(&print(&b, &shapes))),
                Err(_) => "refused".into(),
            };
            let _ = writeln!(mutations, "{name} {} {at} {flip} {verdict}", if round % 8 == 7 { "cut" } else { "flip" });
        }
    }
    put("mutations", mutations.as_bytes());
    if !stale.is_empty() {
        eprintln!("stale in {}: {}; run cargo run -p millrace-row --example vectors", dir.display(), stale.join(", "));
        std::process::exit(1);
    }
}
