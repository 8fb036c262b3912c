//! Avro's converter, a core: packed rows to messages and back, beside code written by hand for each schema over the same rows and
//! beside `apache-avro`, the sides taking turns. With a folder as argument the records are left there, for converters of others
//! to be measured on (`tests/bench/avro`), and the figures as `figures.tsv`.

mod hand;
mod one;
mod shapes;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apache_avro::types::Value as Theirs;
use apache_avro::{Schema, from_avro_datum, to_avro_datum};
use millrace_record::convert::{Converter, converter};
use millrace_record::row::{Batch as View, BatchWriter, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, RawConfig, Schemas};
use millrace_registry::convert::avro::AvroConverter;
use millrace_registry::convert::{HEADER, write_header};

use self::one::One;
use self::shapes::{Dice, Shape};

const RECORDS: usize = 1000;
const ROUNDS: usize = 200;
const TOPIC: &str = "shop.public.orders";

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size as u64, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One shape's records in every form that a side takes.
struct Records {
    shape: Shape,
    /// In JsonConverter's form, schema and payload.
    documents: Vec<String>,
    batch: Batch,
    client: Arc<One>,
    avro: AvroConverter,
    messages: Vec<Vec<u8>>,
}

impl Records {
    fn new(shape: Shape) -> Records {
        let schemas = Schemas::new();
        let mut json = converter("JsonConverter", false, &RawConfig::new(), &schemas).expect("built in");
        let mut dice = Dice(7);
        let mut writer = BatchWriter::new();
        let topic = writer.topic(TOPIC);
        let mut documents = Vec::with_capacity(RECORDS);
        for _ in 0..RECORDS {
            let payload = (shape.value)(&mut dice);
            let document = serde_json::json!({ "schema": &shape.schema, "payload": payload }).to_string();
            let mut rows = RowBuf::new();
            let value_schema = json.decode(TOPIC, Some(document.as_bytes()), &mut rows).expect("a document").flatten();
            let (partition, offset, timestamp) = (None, None, None);
            writer.begin(RecordMeta { topic, partition, offset, timestamp, key_schema: None, value_schema });
            writer.value(Row::new(rows.as_bytes()).expect("a row"));
            writer.end();
            documents.push(document);
        }
        let batch = Batch::check(writer.finish(), &schemas).expect("rows of their schema");
        let client = Arc::new(One::default());
        let mut avro = AvroConverter::new(false, &RawConfig::new(), &schemas, client.clone()).expect("well configured");
        let mut messages = Vec::with_capacity(RECORDS);
        for r in batch.view().iter() {
            let mut message = Vec::new();
            avro.encode(TOPIC, r.value_schema(), r.value(), &mut message).expect("encodes");
            messages.push(message);
        }
        Records { shape, documents, batch, client, avro, messages }
    }

    /// For converters of others: the documents a line each, and the messages, each behind its length.
    fn leave(&self, folder: &Path) -> std::io::Result<()> {
        let name = self.shape.name;
        std::fs::write(folder.join(format!("{name}.jsonl")), self.documents.join("\n"))?;
        std::fs::write(folder.join(format!("{name}.avsc")), &*self.client.text())?;
        let framed = self.messages.iter().flat_map(|m| [&(m.len() as u32).to_be_bytes(), &m[..]].concat());
        std::fs::write(folder.join(format!("{name}.messages")), framed.collect::<Vec<_>>())
    }
}

/// What a side took for a record.
#[derive(Clone, Copy)]
struct Figure {
    least: f64,
    median: f64,
    allocated: f64,
}

/// A side makes one pass over all records and says how long that took.
type Side<'a> = Box<dyn FnMut() -> Duration + 'a>;

fn timed(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// The sides take turns; `rounds` of them say how often each has one.
fn race(sides: &mut [(Side<'_>, usize)]) -> Vec<Figure> {
    let mut times = vec![Vec::new(); sides.len()];
    let mut allocated = vec![0; sides.len()];
    for round in 0..ROUNDS {
        for (i, (side, rounds)) in sides.iter_mut().enumerate() {
            if round < *rounds {
                let before = ALLOCATED.load(Ordering::Relaxed);
                times[i].push(side().as_nanos() as f64 / RECORDS as f64);
                allocated[i] = ALLOCATED.load(Ordering::Relaxed) - before;
            }
        }
    }
    let figures = times.into_iter().zip(allocated).map(|(mut times, allocated)| {
        times.sort_by(f64::total_cmp);
        Figure { least: times[0], median: times[times.len() / 2], allocated: allocated as f64 / RECORDS as f64 }
    });
    figures.collect()
}

/// The names of the sides, in the order of [`encode`] and [`decode`].
const SIDES: [&str; 3] = ["Millrace", "by hand", "apache-avro"];
/// `apache-avro` is slow enough to be measured less often.
const FEW: usize = ROUNDS / 10;

fn encode(records: &mut Records, theirs: &Schema) -> Vec<Figure> {
    let Records { batch, avro, messages, shape, .. } = records;
    let (view, (write, _)) = (batch.view(), hand::of(shape.name));
    let whole: Vec<u8> = messages.concat();
    let mut out = Vec::with_capacity(2 * whole.len());
    by_hand(&view, write, &mut out);
    assert_eq!(out, whole, "{}: written by hand", shape.name);
    let values: Vec<Theirs> = messages.iter().map(|m| value(theirs, m)).collect();
    let mut ours_out = Vec::with_capacity(2 * whole.len());
    let ours = || {
        ours_out.clear();
        timed(|| {
            for r in view.iter() {
                avro.encode(TOPIC, r.value_schema(), r.value(), &mut ours_out).expect("encodes");
            }
            black_box(&ours_out);
        })
    };
    let hand = || {
        out.clear();
        timed(|| by_hand(&view, write, &mut out))
    };
    let apache = || {
        // Its values are consumed; copying them is not counted.
        let values = values.clone();
        timed(|| {
            for value in values {
                black_box(to_avro_datum(theirs, value).expect("writes"));
            }
        })
    };
    race(&mut [(Box::new(ours), ROUNDS), (Box::new(hand), ROUNDS), (Box::new(apache), FEW)])
}

#[inline(never)]
fn by_hand(view: &View<'_>, write: hand::Write, out: &mut Vec<u8>) {
    for r in view.iter() {
        write_header(1, out);
        write(r.value().expect("no tombstone"), out);
    }
    black_box(&out);
}

fn value(schema: &Schema, message: &[u8]) -> Theirs {
    from_avro_datum(schema, &mut &message[HEADER..], None).expect("reads")
}

fn decode(records: &mut Records, theirs: &Schema) -> Vec<Figure> {
    let Records { batch, avro, messages, shape, .. } = records;
    let (_, read) = hand::of(shape.name);
    let mut rows = RowBuf::with_capacity(2 * batch.bytes().len());
    let mut hand_rows = rows.clone();
    for m in messages.iter() {
        rows.clear();
        hand_rows.clear();
        avro.decode(TOPIC, Some(m), &mut rows).expect("decodes");
        read(&mut &m[HEADER..], &mut hand_rows);
        assert_eq!(rows.as_bytes(), hand_rows.as_bytes(), "{}: read by hand", shape.name);
    }
    let messages = &*messages;
    let mut rows = RowBuf::with_capacity(2 * batch.bytes().len());
    let mut hand_rows = RowBuf::with_capacity(2 * batch.bytes().len());
    let ours = || {
        rows.clear();
        timed(|| {
            for m in messages {
                avro.decode(TOPIC, Some(m), &mut rows).expect("decodes");
            }
            black_box(&rows);
        })
    };
    let hand = || {
        hand_rows.clear();
        timed(|| {
            for m in messages {
                read(&mut &m[HEADER..], &mut hand_rows);
            }
            black_box(&hand_rows);
        })
    };
    let apache = || {
        timed(|| {
            for m in messages {
                black_box(value(theirs, m));
            }
        })
    };
    race(&mut [(Box::new(ours), ROUNDS), (Box::new(hand), ROUNDS), (Box::new(apache), FEW)])
}

fn main() {
    let folder = std::env::args().skip(1).find(|a| !a.starts_with('-')).map(PathBuf::from);
    println!("ns a record, the least of {ROUNDS} rounds over {RECORDS} records, the sides taking turns; in brackets the median");
    let mut figures = String::new();
    for shape in shapes::all() {
        let mut records = Records::new(shape);
        let name = records.shape.name;
        let theirs = Schema::parse_str(&records.client.text()).expect("a schema");
        if let Some(folder) = &folder {
            records.leave(folder).unwrap_or_else(|e| panic!("cannot write to {}: {e}", folder.display()));
        }
        let bytes = records.messages.iter().map(Vec::len).sum::<usize>() / RECORDS;
        println!("\n{name}: messages of {bytes} bytes, rows of {}", records.batch.bytes().len() / RECORDS);
        for (way, sides) in [("encode", encode(&mut records, &theirs)), ("decode", decode(&mut records, &theirs))] {
            for (side, f) in SIDES.iter().zip(&sides) {
                println!(
                    "  {way} {side:12} {:7.0} ({:7.0}) ns {:6.2} of by hand, {:6.0} bytes allocated a record",
                    f.least,
                    f.median,
                    f.least / sides[1].least,
                    f.allocated
                );
                let line = (name, way, side, f.least, f.median, f.allocated, bytes);
                let (name, way, side, least, median, allocated, bytes) = line;
                writeln!(figures, "{name}\t{way}\t{side}\t{least:.1}\t{median:.1}\t{allocated:.0}\t{bytes}").expect("a string");
            }
        }
    }
    if let Some(folder) = folder {
        std::fs::write(folder.join("figures.tsv"), figures).expect("the folder can be written to");
    }
}
