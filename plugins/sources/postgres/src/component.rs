//! The plugin's exports: the task over the host's connections.

use millrace_plugin::postgres::{self, Rowset};
use millrace_plugin::{Config, ConfigIssue, Error, PluginInfo, Polled, Source, SourceOffset, TaskContext};

use crate::connection::{Connection, CopyRows, Server, Wal};
use crate::info::BINDING;
use crate::options::Options;
use crate::task::Task;

struct Host;

impl Server for Host {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(Session(postgres::Connection::open(BINDING)?)))
    }
    fn replicate(&mut self) -> Result<Box<dyn Wal>, Error> {
        Ok(Box::new(Replication(postgres::Replication::open(BINDING)?)))
    }
}

struct Session(postgres::Connection);

impl Connection for Session {
    fn query(&mut self, sql: &str) -> Result<Rowset, Error> {
        self.0.query(sql)
    }
    fn copy_out(&mut self, sql: &str) -> Result<Box<dyn CopyRows>, Error> {
        Ok(Box::new(Copy(self.0.copy_out(sql)?)))
    }
}

struct Copy(postgres::CopyReader);

impl CopyRows for Copy {
    fn next(&mut self, max_bytes: u32) -> Result<Option<Vec<u8>>, Error> {
        self.0.next(max_bytes)
    }
}

struct Replication(postgres::Replication);

impl Wal for Replication {
    fn query(&mut self, command: &str) -> Result<Rowset, Error> {
        self.0.query(command)
    }
    fn start(&mut self, command: &str) -> Result<(), Error> {
        self.0.start(command)
    }
    fn next(&mut self, max_bytes: u32, wait_ms: u32) -> Result<Vec<u8>, Error> {
        self.0.next(max_bytes, wait_ms)
    }
    fn ack(&mut self, lsn: u64) -> Result<(), Error> {
        self.0.ack(lsn)
    }
}

pub struct PostgresSource(Task);

impl Source for PostgresSource {
    fn info() -> PluginInfo {
        crate::info::info()
    }
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        Options::check(config).1
    }
    fn task_configs(config: &Config, _max_tasks: u32) -> Result<Vec<Config>, Error> {
        // One slot is one stream is one task, whatever `tasks.max` says.
        Ok(vec![config.clone()])
    }
    fn start(ctx: TaskContext, committed: Vec<SourceOffset>) -> Result<Self, Error> {
        Ok(PostgresSource(Task::start(Options::parse(&ctx.config)?, Box::new(Host), &committed)?))
    }
    fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, Error> {
        self.0.poll(max_records, max_bytes)
    }
    fn commit(&mut self, offsets: Vec<SourceOffset>) -> Result<(), Error> {
        self.0.commit(&offsets)
    }
    fn stop(&mut self) {
        self.0.stop();
    }
}
