//! One source task: what it finds at its start, its snapshot, then its stream until it is stopped.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use millrace_plugin::{Error, Polled, SourceOffset, clock, info, warn};

use crate::catalog::{self, Table, Types};
use crate::connection::{Connection, Server, Wal};
use crate::ddl;
use crate::emit::Emitter;
use crate::heartbeat::Heartbeat;
use crate::options::{Options, SnapshotMode};
use crate::plan::Plan;
use crate::position::{self, Position, Resume};
use crate::schema_changes;
use crate::setup::{self, Created};
use crate::shape::{Announced, Before, Shape};
use crate::snapshot::{Point, Snapshot, Source};
use crate::stream::{Limits, Stream};
use crate::tables::Catalog;
use crate::wal::Lsn;

/// The longest wait for something to come; the host ends it when it has a call.
const WAIT_MS: u32 = 1_000;
/// How often a snapshot is begun whose tables are altered at the same moment.
const SNAPSHOT_TRIES: u32 = 10;
/// How much of the log is taken at once, in bytes.
const WAL_BYTES: u32 = 512 << 10;
/// A row of the log grows by the envelope; an output buffer starts with this many bytes.
const OUTPUT_BYTES: usize = 256 << 10;

pub struct Task {
    options: Rc<Options>,
    server: Box<dyn Server>,
    /// The connection for catalogs and statements; made again when it is lost.
    control: Option<Box<dyn Connection>>,
    wal: Option<Box<dyn Wal>>,
    /// Whether `wal` streams.
    streaming: bool,
    found: setup::Found,
    partition: String,
    phase: Phase,
    stream: Stream,
    /// All up to here may be released; told to each new connection.
    released: Lsn,
    heartbeat: Option<Heartbeat>,
    /// When progress without records is marked next, on the monotonic clock.
    idle_mark_ns: u64,
}

enum Phase {
    /// The slot was there before the snapshot: what lies between the two comes first, so that no record is older than one
    /// before it.
    CatchUp(Box<Snapshot>),
    Snapshot(Box<Snapshot>),
    Stream,
    /// A snapshot alone was asked for, and is done.
    Done,
}

impl Task {
    /// Looks at the server, prepares what is asked for, and decides where to begin.
    pub fn start(options: Options, mut server: Box<dyn Server>, committed: &[SourceOffset]) -> Result<Task, Error> {
        let options = Rc::new(options);
        let partition = position::partition(&options.topic_prefix);
        let mut control = server.connect()?;
        catalog::prepare(&mut *control)?;
        let found = setup::check_server(&mut *control, &options)?;
        let types = catalog::types(&mut *control)?;
        let tables = catalog::tables(&mut *control, &options)?;
        if tables.is_empty() {
            warn!("no table matches the filters; changes of tables made later are captured once they match");
        }

        let stored = stored(committed, &options.topic_prefix)?;
        let plan = Decision::new(&options, stored, setup::slot(&mut *control, &options)?)?;
        setup::publication(&mut *control, &options, &tables)?;
        ddl::install(&mut *control, &options, found)?;
        let mut wal = server.replicate()?;
        catalog::prepare_wal(&mut *wal)?;
        let created = match &plan.slot {
            None => Some(setup::create_slot(&mut *control, &mut *wal, &options, found)?),
            Some(_) => None,
        };

        let begin = |resume| Position { resume, ..Position::default() };
        let start = match (plan.debezium, plan.resume, &created, &plan.slot) {
            (Some(debezium), ..) => debezium,
            (_, Some(position), ..) => Resume::From(position),
            (_, _, Some(created), _) => Resume::From(begin(created.consistent_point)),
            (_, _, None, Some(slot)) => Resume::From(begin(slot.confirmed)),
            (_, _, None, None) => Resume::From(begin(Lsn(0))),
        };
        let told = told(committed, &options.topic_prefix);
        let mut stream = Stream::new(options.clone(), types, start, &told)?;
        for table in &tables {
            let announced = Announced::of(table);
            let shape = Shape::new(&announced, Some(table), &BTreeSet::new(), None);
            stream.remember(table.oid, Before::new(&announced, &shape, false));
        }
        for (oid, told) in &told {
            schema_changes::before(told, options.ddl_enabled).into_iter().for_each(|before| stream.remember(*oid, before));
        }
        let phase = if plan.snapshot {
            wait(options.snapshot_delay);
            let mut existed = created.is_none();
            let mut point = match created {
                Some(created) => created,
                None => setup::create_temporary_slot(&mut *wal, &options, found)?,
            };
            let mut tries = 1;
            let snapshot = loop {
                if let Some(snapshot) = begin_snapshot(&options, &mut *server, &mut *control, &point)? {
                    break Box::new(snapshot);
                }
                if tries == SNAPSHOT_TRIES {
                    let message = "tables were altered each time that a snapshot was begun";
                    return Err(Error::restart("postgres.snapshot", message));
                }
                tries += 1;
                if existed {
                    setup::drop_temporary_slot(&mut *wal, &options)?;
                }
                point = setup::create_temporary_slot(&mut *wal, &options, found)?;
                existed = true;
            };
            if existed {
                setup::drop_temporary_slot(&mut *wal, &options)?;
                stream.stop_at(point.consistent_point);
                Phase::CatchUp(snapshot)
            } else {
                Phase::Snapshot(snapshot)
            }
        } else if options.snapshot_mode == SnapshotMode::InitialOnly {
            Phase::Done
        } else {
            Phase::Stream
        };
        let now = clock::monotonic_ns();
        let mut task = Task {
            stream,
            heartbeat: Heartbeat::new(&options, now)?,
            released: Lsn(0),
            control: Some(control),
            wal: Some(wal),
            streaming: false,
            found,
            partition,
            phase,
            server,
            // Where to begin is itself worth keeping: it is marked by the first poll.
            idle_mark_ns: now,
            options,
        };
        if matches!(task.phase, Phase::Stream | Phase::CatchUp(_)) {
            task.begin_stream()?;
        }
        Ok(task)
    }

    pub fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, Error> {
        // One is left for a heartbeat.
        let limits = Limits { records: (max_records as usize).saturating_sub(1), bytes: max_bytes as usize };
        match &mut self.phase {
            Phase::CatchUp(_) => self.poll_catch_up(limits),
            Phase::Snapshot(_) => self.poll_snapshot(limits),
            Phase::Stream => self.poll_stream(limits),
            Phase::Done => Ok(Polled::idle(std::time::Duration::from_secs(60))),
        }
    }

    /// Nothing is marked: a task that ends here begins the snapshot again.
    fn poll_catch_up(&mut self, limits: Limits) -> Result<Polled, Error> {
        let polled = self.poll_stream(limits).map_err(restarted)?;
        if self.stream.stopped() {
            // The stream goes on after the snapshot, from the very same point.
            self.lost();
            self.phase = match std::mem::replace(&mut self.phase, Phase::Stream) {
                Phase::CatchUp(snapshot) => Phase::Snapshot(snapshot),
                other => other,
            };
        }
        Ok(Polled { marks: Vec::new(), ..polled })
    }

    fn poll_snapshot(&mut self, limits: Limits) -> Result<Polled, Error> {
        let Phase::Snapshot(snapshot) = &mut self.phase else { return Ok(Polled::idle(std::time::Duration::ZERO)) };
        let options = self.options.clone();
        let mut emitter = Emitter::new(&options, OUTPUT_BYTES);
        if options.schema_changes && !snapshot.tell(&mut self.stream, &mut emitter, limits, clock::now_us()) {
            return Ok(Polled::new(emitter.writer));
        }
        // A snapshot cannot go on where its transaction is gone: it is read again from the start.
        let done = snapshot.drain(&mut emitter, limits, clock::now_us()).map_err(restarted)?;
        let n = emitter.writer.len();
        let polled = Polled::new(emitter.writer);
        if !done {
            return Ok(polled);
        }
        info!("the snapshot is complete"; rows = snapshot.written(), position = self.stream.position().resume);
        let offset = self.stream.position().snapshot_offset(options.snapshot_mode.name());
        self.phase = if options.snapshot_mode == SnapshotMode::InitialOnly { Phase::Done } else { Phase::Stream };
        wait(options.streaming_delay);
        Ok(self.stream.mark_shapes(polled.mark_at(n, &self.partition, offset, true), n))
    }

    fn poll_stream(&mut self, limits: Limits) -> Result<Polled, Error> {
        if !self.streaming {
            self.begin_stream()?;
        }
        if !self.stream.has_more() {
            let wait = self.heartbeat.as_ref().map_or(WAIT_MS, |h| h.wait_ms(clock::monotonic_ns()).min(WAIT_MS));
            let Some(wal) = &mut self.wal else { return Err(Error::restart("postgres.stream", "the stream has no connection")) };
            match wal.next(WAL_BYTES, wait) {
                Ok(buffer) => self.stream.feed(buffer),
                Err(error) => {
                    self.lost();
                    return Err(error);
                }
            }
        }
        let (now_ns, now_us) = (clock::monotonic_ns(), clock::now_us());
        let options = self.options.clone();
        let mut emitter = Emitter::new(&options, OUTPUT_BYTES);
        let mut catalog = Lookup { server: &mut *self.server, control: &mut self.control };
        self.stream.drain(&mut emitter, &mut catalog, limits, now_us)?;
        if let Some(heartbeat) = &mut self.heartbeat
            && heartbeat.is_due(now_ns)
        {
            heartbeat.write(&mut emitter.writer, now_us);
            if let Some(statement) = &options.heartbeat_action_query
                && let Err(e) = catalog.control().and_then(|c| c.query(statement))
            {
                warn!("heartbeat.action.query failed: {}", e.message);
                self.control = None;
            }
        }
        let idle_mark = now_ns >= self.idle_mark_ns;
        let polled = self.stream.polled(emitter, &self.partition, idle_mark);
        if !polled.marks.is_empty() {
            self.idle_mark_ns = now_ns + options.status_update_interval.as_nanos() as u64;
        }
        Ok(polled)
    }

    /// Connects where needed, and starts to stream from where the records so far end.
    fn begin_stream(&mut self) -> Result<(), Error> {
        let wal = match &mut self.wal {
            Some(wal) => wal,
            None => {
                let mut wal = self.server.replicate()?;
                catalog::prepare_wal(&mut *wal)?;
                self.wal.insert(wal)
            }
        };
        let from = self.stream.position().resume;
        let command = setup::start_replication(&self.options, self.found, from);
        info!("streaming"; slot = self.options.slot_name, from = from);
        if let Err(error) = wal.start(&command) {
            self.wal = None;
            return Err(setup::explain_start(error, &self.options));
        }
        self.streaming = true;
        self.stream.reconnected();
        let released = self.released;
        if released > Lsn(0) {
            self.wal.as_mut().map_or(Ok(()), |w| w.ack(released.0))?;
        }
        Ok(())
    }

    fn lost(&mut self) {
        self.wal = None;
        self.streaming = false;
    }

    /// Invariant durable-before-release: the host names offsets that are stored.
    pub fn commit(&mut self, offsets: &[SourceOffset]) -> Result<(), Error> {
        let Some(lsn) =
            offsets.iter().filter(|o| o.partition == self.partition).filter_map(|o| position::releasable(&o.offset)).max()
        else {
            return Ok(());
        };
        self.released = self.released.max(lsn);
        if self.streaming
            && self.options.flushes_lsn
            && let Some(wal) = &mut self.wal
            && wal.ack(self.released.0).is_err()
        {
            // The connection is gone, which the next poll meets; the position is told to the next one.
            self.lost();
        }
        Ok(())
    }

    pub fn stop(&mut self) {
        self.wal = None;
        if self.options.slot_drop_on_stop {
            let mut catalog = Lookup { server: &mut *self.server, control: &mut self.control };
            if let Err(e) = catalog.control().and_then(|c| setup::drop_slot(c, &self.options)) {
                warn!("slot.drop.on.stop: cannot drop slot \"{}\": {}", self.options.slot_name, e.message);
            }
        }
    }
}

/// What to do, from what is stored and what the server has.
struct Decision {
    snapshot: bool,
    slot: Option<setup::Slot>,
    resume: Option<Position>,
    debezium: Option<Resume>,
}

impl Decision {
    fn new(options: &Options, stored: Option<Resume>, slot: Option<setup::Slot>) -> Result<Decision, Error> {
        use SnapshotMode::{Always, Initial, InitialOnly, NoData, WhenNeeded};
        let completed = matches!(stored, Some(Resume::From(_) | Resume::Debezium { .. }));
        // Where the stored place lies before what the slot still has, changes between the two are gone.
        let gone = match (&stored, &slot) {
            (Some(Resume::From(Position { resume, .. }) | Resume::Debezium { resume, .. }), Some(slot)) => {
                (slot.confirmed > *resume && !options.trust_slot).then(|| {
                    format!(
                        "slot \"{}\" was confirmed up to {}, past the stored position {resume}",
                        options.slot_name, slot.confirmed
                    )
                })
            }
            (Some(Resume::From(_) | Resume::Debezium { .. }), None) => {
                Some(format!("slot \"{}\" does not exist any more", options.slot_name))
            }
            _ => None,
        };
        let mut resume = stored;
        let snapshot = match (options.snapshot_mode, &gone) {
            (Always, _) => true,
            (WhenNeeded, Some(_)) => {
                resume = None;
                true
            }
            (InitialOnly, _) => !completed,
            (Initial | NoData, Some(gone)) if completed => {
                return Err(Error::fatal(
                    "postgres.position-lost",
                    format!(
                        "{gone}: changes made in between are lost to this connector; set snapshot.mode=when_needed to read the \
                         tables again, or delete the connector's offsets to begin anew"
                    ),
                ));
            }
            (Initial | WhenNeeded, _) => !completed,
            (NoData, _) => false,
        };
        let (resume, debezium) = match resume {
            Some(Resume::From(position)) => (Some(position), None),
            Some(debezium @ Resume::Debezium { .. }) => (None, Some(debezium)),
            _ => (None, None),
        };
        // A slot that was made anew cannot give what an old position asks for.
        let resume = resume.filter(|_| slot.is_some());
        Ok(Decision { snapshot, slot, resume, debezium })
    }
}

/// The offset stored for this connector's partition.
fn stored(committed: &[SourceOffset], topic_prefix: &str) -> Result<Option<Resume>, Error> {
    let mine = |o: &&SourceOffset| {
        serde_json::from_str::<serde_json::Value>(&o.partition)
            .is_ok_and(|p| p["server"] == topic_prefix && p.get("table").is_none())
    };
    let Some(offset) = committed.iter().find(mine) else { return Ok(None) };
    position::resume(&offset.offset).map(Some).map_err(|e| {
        let message =
            format!("the stored offset {} cannot be used: {e}; delete the connector's offsets to begin anew", offset.offset);
        Error::fatal("postgres.offset", message)
    })
}

/// What was told of tables.
fn told(committed: &[SourceOffset], topic_prefix: &str) -> Vec<(u32, String)> {
    let table = |o: &SourceOffset| {
        let partition: serde_json::Value = serde_json::from_str(&o.partition).ok()?;
        let oid = schema_changes::table_of(&partition).filter(|_| partition["server"] == topic_prefix)?;
        Some((oid, o.offset.clone()))
    };
    committed.iter().filter_map(table).collect()
}

/// None: tables were altered between the snapshot's moment and now. Their rows would be read by another shape than they had
/// then, or not at all where they were written anew.
fn begin_snapshot(
    options: &Rc<Options>,
    server: &mut dyn Server,
    control: &mut dyn Connection,
    created: &Created,
) -> Result<Option<Snapshot>, Error> {
    let mut connection = server.connect()?;
    catalog::prepare(&mut *connection)?;
    let xid = setup::begin_snapshot(&mut *connection, &created.snapshot)?;
    // The catalogs as they were at the snapshot's moment.
    let mut tables = catalog::tables(&mut *connection, options)?;
    tables.retain(|t| options.in_snapshot(t));
    match setup::lock(&mut *connection, &tables.iter().collect::<Vec<_>>()) {
        // Dropped or renamed since.
        Err(e) if matches!(e.sqlstate(), Some("42P01" | "3F000")) => return Ok(None),
        locked => locked?,
    }
    let mut now = catalog::tables(control, options)?;
    now.retain(|t| options.in_snapshot(t));
    if tables.iter().any(|t| !now.contains(t)) {
        return Ok(None);
    }
    let types = &catalog::types(control)?;
    let point = Point { lsn: created.consistent_point, xid, time_us: clock::now_us() as i64 };
    let (mut sources, mut shapes) = (Vec::new(), Vec::new());
    for table in &tables {
        let announced = Announced::of(table);
        let shape = Shape::new(&announced, Some(table), &BTreeSet::new(), None);
        let plan = Plan::new(options, types, &announced, &shape)?;
        sources.push(Source { plan: Rc::new(plan), sql: setup::snapshot_statement(options, table, &announced.columns) });
        shapes.push((announced, shape));
    }
    info!("reading a snapshot"; tables = sources.len(), position = point.lsn);
    Ok(Some(Snapshot::new(options.clone(), connection, sources, point).telling(shapes, types.clone())))
}

/// Waits, unless the host has a call due.
fn wait(time: std::time::Duration) {
    if !time.is_zero() {
        clock::sleep(time);
    }
}

/// A failure in the midst of a snapshot: a fresh task begins it again.
fn restarted(error: Error) -> Error {
    if error.is_retriable() { Error::restart(error.code, error.message).context("the snapshot begins again") } else { error }
}

/// Reads the catalogs, over a connection that is made again when it was lost.
struct Lookup<'a> {
    server: &'a mut dyn Server,
    control: &'a mut Option<Box<dyn Connection>>,
}

impl Lookup<'_> {
    fn control(&mut self) -> Result<&mut dyn Connection, Error> {
        if self.control.is_none() {
            let mut connection = self.server.connect()?;
            catalog::prepare(&mut *connection)?;
            *self.control = Some(connection);
        }
        Ok(&mut **self.control.as_mut().expect("just made"))
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection) -> Result<R, Error>) -> Result<R, Error> {
        let result = f(self.control()?);
        if result.as_ref().is_err_and(Error::is_retriable) {
            *self.control = None;
        }
        result
    }
}

impl Catalog for Lookup<'_> {
    fn table(&mut self, oid: u32) -> Result<Option<Table>, Error> {
        self.with(|c| catalog::table(c, oid))
    }
    fn types(&mut self) -> Result<Types, Error> {
        self.with(|c| catalog::types(c))
    }
    fn labels(&mut self, enums: &[u32]) -> Result<HashMap<u32, Vec<String>>, Error> {
        self.with(|c| catalog::labels(c, enums))
    }
}
