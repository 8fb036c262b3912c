//! The same work as a component, natively, and natively with the processor's own SHA-256, on the same batches, by turns. Prints
//! tab-separated lines for `tests/bench/plugins/run.sh`: side, nanoseconds of processor time a record (the least and the median of all rounds).
//!
//! Arguments: the component, a file to write the records into as JSON (for Java), seconds, and for a profile the one side to run.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millrace_record::patch::{self, Patch};
use millrace_record::view::{self, Cell, Column, ColumnData};
use millrace_record::{Batch, Field, Kind, Outcome, Quota, Schema, Schemas, TaskContext, TaskError, Transform, Wake, row};
use millrace_sandbox::{Sandbox, SandboxConfig};

mod orders;
#[path = "../../../tests/bench/plugins/mask-hash/src/work.rs"]
mod work;

const FIELD: &str = "email";
const RECORDS: usize = 500;
/// Batches of a round.
const BATCHES: usize = 4;

/// The work by columns, which the host then sets, without a sandbox.
struct NativeColumns<H> {
    schemas: Arc<Schemas>,
    hash: H,
}

#[async_trait]
impl<H: Fn(&[u8]) -> [u8; 32] + Send> Transform for NativeColumns<H> {
    async fn configure(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        let path = format!("value.{FIELD}");
        let addresses = view::column(records, &self.schemas, &path, true).expect("a column");
        let ColumnData::Packed { data, .. } = &addresses.data else { panic!("texts are packed") };
        let each = (0..records.len()).map(|i| if let Cell::Bytes(address) = addresses.cell(i) { Some(address) } else { None });
        let made = work::columns(each, data.len(), &self.hash);
        let masked = Column { nulls: made.nulls.clone(), data: ColumnData::Packed { offsets: made.offsets, data: made.data } };
        let digits = Column { nulls: made.nulls, data: ColumnData::Texts(made.digits) };
        let patch = Patch { set: vec![(path.clone(), masked), (format!("{path}_hash"), digits)], ..Patch::default() };
        let (records, origin) = patch::apply(records, &self.schemas, &Quota::default(), &patch).expect("it fits");
        Ok(Outcome { records, origin, failures: Vec::new() })
    }

    async fn close(&mut self) {}
}

/// The work over whole records behind the trait that components are behind, without a sandbox.
struct Native<H> {
    schemas: Arc<Schemas>,
    plans: HashMap<u32, Option<work::Plan>>,
    hash: H,
}

impl<H: Fn(&[u8]) -> [u8; 32] + Send> Native<H> {
    fn boxed(schemas: &Arc<Schemas>, hash: H) -> Box<dyn Transform>
    where
        H: 'static,
    {
        Box::new(Native { schemas: schemas.clone(), plans: HashMap::new(), hash })
    }
}

#[async_trait]
impl<H: Fn(&[u8]) -> [u8; 32] + Send> Transform for Native<H> {
    async fn configure(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        let rows = records.view();
        let mut out = row::BatchWriter::with_capacity(rows.bytes().len() + 100 * rows.len());
        let plan = |id: u32| {
            Ok::<_, Infallible>(*self.plans.entry(id).or_insert_with(|| {
                let of = self.schemas.get(id)?;
                let field = of.index(FIELD)?;
                let mut with = (*of).clone();
                let hash = Arc::new(Schema::new(Kind::Text).optional());
                with.fields.push(Field { name: format!("{FIELD}_hash").into(), schema: hash });
                Some(work::Plan { field, slots: of.fields.len(), schema: self.schemas.intern(with) })
            }))
        };
        let Ok(()) = work::apply(&rows, &mut out, plan, &self.hash);
        let origin = Some((0..rows.len() as u32).collect());
        Ok(Outcome { records: Batch::trusted(out), origin, failures: Vec::new() })
    }

    async fn close(&mut self) {}
}

async fn round(transform: &mut Box<dyn Transform>, batch: &Batch) -> f64 {
    let begun = processor_time();
    for _ in 0..BATCHES {
        transform.apply(batch).await.expect("it behaves");
    }
    (processor_time() - begun).as_nanos() as f64 / (BATCHES * batch.len()) as f64
}

/// Of this thread: what the machine does besides is no part of it.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes the time and nothing else.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(answer, 0, "a thread has a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let component = arguments.next().expect("the component");
    let records = arguments.next().expect("a file for the records");
    let seconds: u64 = arguments.next().and_then(|s| s.parse().ok()).expect("seconds");
    let only = arguments.next();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (sandbox, schemas) = (Sandbox::new(SandboxConfig::new(dir.path())).expect("a sandbox"), Schemas::new());
    let batch = orders::batch(&schemas, RECORDS);
    let mut file = std::fs::File::create(records).expect("a file for the records");
    for text in millrace_record::view::documents(&batch, &schemas, "value").expect("JSON").into_iter().flatten() {
        writeln!(file, "{text}").expect("a file for the records");
    }
    let plugin = sandbox.load(component.as_ref(), &schemas).await.expect("a plugin");
    let ctx = |rows: &str, constant: &str| TaskContext {
        connector: "bench".into(),
        task: 0,
        config: [("field", FIELD), ("rows", rows), ("constant", constant)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        alias: None,
        schemas: schemas.clone(),
        wake: Wake::default(),
        grants: Vec::new(),
        services: Default::default(),
    };
    let sha = |bytes: &[u8]| hmac_sha256::Hash::hash(bytes);
    let constant = |_: &[u8]| [0xab; 32];
    let mut sides: [(&str, Box<dyn Transform>); 8] = [
        ("component", plugin.transform(ctx("false", "false")).await.expect("a transform")),
        ("native", Box::new(NativeColumns { schemas: schemas.clone(), hash: sha })),
        ("component, whole records", plugin.transform(ctx("true", "false")).await.expect("a transform")),
        ("native, whole records", Native::boxed(&schemas, sha)),
        ("component, a constant for the hash", plugin.transform(ctx("false", "true")).await.expect("a transform")),
        ("native, a constant for the hash", Box::new(NativeColumns { schemas: schemas.clone(), hash: constant })),
        ("component, whole records, a constant for the hash", plugin.transform(ctx("true", "true")).await.expect("a transform")),
        ("native, whole records, a constant for the hash", Native::boxed(&schemas, constant)),
    ];
    let mut made = Vec::new();
    for (_, side) in &mut sides {
        side.configure().await.expect("it is configured");
        let outcome = side.apply(&batch).await.expect("it behaves");
        made.push(millrace_record::view::documents(&outcome.records, &schemas, "value").expect("JSON"));
    }
    assert!(made[..4].iter().all(|records| *records == made[0]), "the sides answer the same records");
    assert!(made[4..].iter().all(|records| *records == made[4]), "the sides answer the same records");
    let mut rounds = [const { Vec::new() }; 8];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        for ((_, side), rounds) in
            sides.iter_mut().zip(&mut rounds).filter(|((name, _), _)| only.as_ref().is_none_or(|o| o == name))
        {
            rounds.push(round(side, &batch).await);
        }
    }
    for ((name, _), mut rounds) in sides.into_iter().zip(rounds).filter(|(_, rounds)| !rounds.is_empty()) {
        rounds.sort_by(f64::total_cmp);
        println!("{name}\t{:.1}\t{:.1}", rounds[0], rounds[rounds.len() / 2]);
    }
}
