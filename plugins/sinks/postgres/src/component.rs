//! The plugin's exports: the task over the host's connections.

use millrace_plugin::postgres::{self, Param, Statement};
use millrace_plugin::{
    Batch, Config, ConfigIssue, Error, Flushed, PluginInfo, RecordFailure, Sink, TaskContext, TopicOffset, TopicPartition, log,
};

use crate::connection::{Connection, Database, Rows};
use crate::options::Options;
use crate::task::Task;

struct Host {
    binding: &'static str,
}

impl Database for Host {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(Session(postgres::Connection::open(self.binding)?)))
    }
}

struct Session(postgres::Connection);

impl Connection for Session {
    fn query(&mut self, sql: &str) -> Result<Rows, Error> {
        Ok(self.0.query(sql)?.rows)
    }
    fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, Error> {
        self.0.execute(sql, params)
    }
    fn submit(&mut self, statements: Vec<Statement>) -> Result<(), Error> {
        self.0.submit(&statements)
    }
    fn outcome(&mut self) -> Result<Vec<u64>, Error> {
        self.0.outcome()
    }
}

pub struct PostgresSink(Task);

impl Sink for PostgresSink {
    fn info() -> PluginInfo {
        crate::info::info()
    }
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        Options::check(config).1
    }
    fn start(ctx: TaskContext) -> Result<Self, Error> {
        let options = Options::parse(&ctx.config)?;
        let host = Host { binding: options.dialect.binding() };
        let mut task = Task::new(&ctx.connector, options, Box::new(host));
        // Reaching the server now tells a wrong password at the start, not at the first record.
        task.connect()?;
        Ok(PostgresSink(task))
    }
    fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<TopicOffset>, Error> {
        self.0.open(partitions)
    }
    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        let failures = self.0.put(batch.rows()?.bytes().to_vec())?;
        if !failures.is_empty() {
            log!(log::Level::Debug, "records were refused"; failed = failures.len());
        }
        Ok(failures)
    }
    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.0.flush(upto)
    }
    fn close(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        self.0.close(&partitions);
        Ok(())
    }
}
