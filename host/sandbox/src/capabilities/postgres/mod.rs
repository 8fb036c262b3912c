//! `postgres`: connections, COPY and replication streams. Sockets, TLS, passwords and time-outs are here; what SQL to send
//! and what the answers mean is the guest's. It speaks the protocol itself, over one small [`wire::Wire`], so that data
//! crosses from the socket to the guest with one copy into a packed buffer and none per value.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::Resource;

use crate::bindings::postgres::{Host, HostConnection, HostCopyReader, HostReplication, Param, Rowset, Statement};
use crate::bindings::types::{Error, ErrorKind};
use crate::state::State;
use crate::wit::error;

mod connect;
mod copy;
mod failure;
mod pace;
mod session;
mod stream;
mod target;
pub(super) mod tls;
mod wire;

use copy::Copying;
use session::Session;
use stream::Stream;
use target::Target;

/// A connection for statements.
pub struct Connection {
    session: Arc<Mutex<Session>>,
    /// What was submitted, and has not been asked for; it ends with the connection.
    submitted: Option<AbortOnDropHandle<Result<Vec<u64>, Error>>>,
}
/// A `COPY ... TO STDOUT` that runs on a connection.
pub struct CopyReader {
    session: Arc<Mutex<Session>>,
    copying: Arc<Mutex<Copying>>,
}
/// A connection in replication mode: it takes commands until the stream is started, then it is the stream.
pub struct Replication {
    session: Arc<Mutex<Option<Session>>>,
    stream: Option<Arc<Stream>>,
}

impl State {
    async fn open_session(&mut self, name: &str, replication: bool) -> Result<Session, Error> {
        if self.owner.services.dry_run {
            return Err(error::dry_run("postgres", "a connection, which can write,"));
        }
        let target = Arc::new(Target::of(&self.owner, name)?);
        let open = self.one_more_open("postgres.too-many-connections")?;
        let waits = self.waits.clone();
        let mut session = waits.on(Session::open(target, replication)).await?;
        session.open = Some(open);
        Ok(session)
    }
}

fn already_streaming() -> Error {
    error::new(ErrorKind::Fatal, "postgres.streaming", "the replication stream has been started: only `next` and `ack` are left")
}

impl Host for State {}

impl HostConnection for State {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        Ok(match self.open_session(&name, false).await {
            Ok(session) => Ok(self.table.push(Connection { session: Arc::new(Mutex::new(session)), submitted: None })?),
            Err(error) => Err(error),
        })
    }

    async fn query(&mut self, connection: Resource<Connection>, sql: String) -> wasmtime::Result<Result<Rowset, Error>> {
        let session = self.table.get(&connection)?.session.clone();
        Ok(self.waits.clone().on(async { session.lock().await.query(&sql).await }).await)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
        params: Vec<Param>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let session = self.table.get(&connection)?.session.clone();
        Ok(self.waits.clone().on(async { session.lock().await.execute(sql, params).await }).await)
    }

    async fn submit(
        &mut self,
        connection: Resource<Connection>,
        statements: Vec<Statement>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let connection = self.table.get_mut(&connection)?;
        if connection.submitted.is_some() {
            let message = "a submission is under way: take its `outcome` first";
            return Ok(Err(error::new(ErrorKind::Fatal, "postgres.busy", message)));
        }
        // The lock is taken here, so that no later call comes in between.
        let mut session = self.waits.clone().on(connection.session.clone().lock_owned()).await;
        let run = tokio::spawn(async move { session.execute_all(statements).await });
        connection.submitted = Some(AbortOnDropHandle::new(run));
        // A task that was just spawned waits on this thread; the guest would keep it from starting.
        tokio::task::yield_now().await;
        Ok(Ok(()))
    }

    async fn outcome(&mut self, connection: Resource<Connection>) -> wasmtime::Result<Result<Vec<u64>, Error>> {
        let Some(submitted) = self.table.get_mut(&connection)?.submitted.take() else {
            let message = "nothing was submitted whose outcome has not been taken";
            return Ok(Err(error::new(ErrorKind::Fatal, "postgres.nothing-submitted", message)));
        };
        Ok(self.waits.clone().on(submitted).await?)
    }

    async fn copy_in(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let session = self.table.get(&connection)?.session.clone();
        Ok(self.waits.clone().on(async { session.lock().await.copy_in(&sql, &data).await }).await)
    }

    async fn copy_out(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
    ) -> wasmtime::Result<Result<Resource<CopyReader>, Error>> {
        let session = self.table.get(&connection)?.session.clone();
        let started = self.waits.clone().on(async { session.lock().await.copy_out(&sql).await }).await;
        Ok(match started {
            Ok(()) => Ok(self.table.push(CopyReader { session, copying: Arc::default() })?),
            Err(error) => Err(error),
        })
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let Connection { session, submitted } = self.table.delete(connection)?;
        if submitted.is_some() {
            // The server is in the middle of an answer: the socket is closed as it is.
            return Ok(());
        }
        // A reader may still hold it; then it ends with the reader.
        if let Ok(session) = Arc::try_unwrap(session) {
            self.waits.clone().on(session.into_inner().close()).await;
        }
        Ok(())
    }
}

impl HostCopyReader for State {
    async fn next(&mut self, reader: Resource<CopyReader>, max_bytes: u32) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let CopyReader { session, copying } = self.table.get(&reader)?;
        let (session, copying) = (session.clone(), copying.clone());
        let next = async { copying.lock().await.next(&mut *session.lock().await, max_bytes as usize).await };
        Ok(self.waits.clone().on(next).await)
    }

    async fn drop(&mut self, reader: Resource<CopyReader>) -> wasmtime::Result<()> {
        let CopyReader { session, copying } = self.table.delete(reader)?;
        let abandon = async { copying.lock().await.abandon(&mut *session.lock().await).await };
        self.waits.clone().on(abandon).await;
        Ok(())
    }
}

impl HostReplication for State {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Replication>, Error>> {
        Ok(match self.open_session(&name, true).await {
            Ok(session) => {
                let replication = Replication { session: Arc::new(Mutex::new(Some(session))), stream: None };
                Ok(self.table.push(replication)?)
            }
            Err(error) => Err(error),
        })
    }

    async fn query(&mut self, replication: Resource<Replication>, command: String) -> wasmtime::Result<Result<Rowset, Error>> {
        let session = self.table.get(&replication)?.session.clone();
        let query = async {
            match session.lock().await.as_mut() {
                Some(session) => session.query(&command).await,
                None => Err(already_streaming()),
            }
        };
        Ok(self.waits.clone().on(query).await)
    }

    async fn start(&mut self, replication: Resource<Replication>, command: String) -> wasmtime::Result<Result<(), Error>> {
        let session = self.table.get(&replication)?.session.clone();
        let start = async {
            let mut slot = session.lock().await;
            let mut session = slot.take().ok_or_else(already_streaming)?;
            match session.start_replication(&command).await {
                Ok(()) => Ok(Stream::start(session.into_wire())),
                Err(error) => {
                    *slot = Some(session);
                    Err(error)
                }
            }
        };
        Ok(match self.waits.clone().on(start).await {
            Ok(stream) => {
                self.table.get_mut(&replication)?.stream = Some(Arc::new(stream));
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    async fn next(
        &mut self,
        replication: Resource<Replication>,
        max_bytes: u32,
        wait_ms: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let Some(stream) = self.table.get(&replication)?.stream.clone() else {
            return Ok(Err(error::new(ErrorKind::Fatal, "postgres.not-streaming", "the replication stream was not started")));
        };
        let wake = self.wake.clone();
        let next = stream.next(max_bytes as usize, Duration::from_millis(wait_ms.into()), &wake);
        Ok(self.waits.clone().on(next).await)
    }

    async fn ack(&mut self, replication: Resource<Replication>, lsn: u64) -> wasmtime::Result<Result<(), Error>> {
        Ok(match &self.table.get(&replication)?.stream {
            Some(stream) => stream.ack(lsn),
            None => Err(error::new(ErrorKind::Fatal, "postgres.not-streaming", "the replication stream was not started")),
        })
    }

    async fn drop(&mut self, replication: Resource<Replication>) -> wasmtime::Result<()> {
        let Replication { session, stream } = self.table.delete(replication)?;
        drop(stream);
        if let Some(session) = session.lock().await.take() {
            self.waits.clone().on(session.close()).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
