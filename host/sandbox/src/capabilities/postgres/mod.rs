pub struct Connection;
pub struct CopyReader;
pub struct Replication;
use crate::bindings::postgres::*;
use crate::bindings::types::Error;
use crate::state::State;
use wasmtime::component::Resource;
impl Host for State {}
impl HostConnection for State {
    async fn open(&mut self, _: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        wasmtime::bail!("x")
    }
    async fn query(&mut self, _: Resource<Connection>, _: String) -> wasmtime::Result<Result<Rowset, Error>> {
        wasmtime::bail!("x")
    }
    async fn execute(&mut self, _: Resource<Connection>, _: String, _: Vec<Param>) -> wasmtime::Result<Result<u64, Error>> {
        wasmtime::bail!("x")
    }
    async fn copy_in(&mut self, _: Resource<Connection>, _: String, _: Vec<u8>) -> wasmtime::Result<Result<u64, Error>> {
        wasmtime::bail!("x")
    }
    async fn copy_out(&mut self, _: Resource<Connection>, _: String) -> wasmtime::Result<Result<Resource<CopyReader>, Error>> {
        wasmtime::bail!("x")
    }
    async fn drop(&mut self, r: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(r)?;
        Ok(())
    }
}
impl HostCopyReader for State {
    async fn next(&mut self, _: Resource<CopyReader>, _: u32) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        wasmtime::bail!("x")
    }
    async fn drop(&mut self, r: Resource<CopyReader>) -> wasmtime::Result<()> {
        self.table.delete(r)?;
        Ok(())
    }
}
impl HostReplication for State {
    async fn open(&mut self, _: String) -> wasmtime::Result<Result<Resource<Replication>, Error>> {
        wasmtime::bail!("x")
    }
    async fn query(&mut self, _: Resource<Replication>, _: String) -> wasmtime::Result<Result<Rowset, Error>> {
        wasmtime::bail!("x")
    }
    async fn start(&mut self, _: Resource<Replication>, _: String) -> wasmtime::Result<Result<(), Error>> {
        wasmtime::bail!("x")
    }
    async fn next(&mut self, _: Resource<Replication>, _: u32, _: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        wasmtime::bail!("x")
    }
    async fn ack(&mut self, _: Resource<Replication>, _: u64) -> wasmtime::Result<Result<(), Error>> {
        wasmtime::bail!("x")
    }
    async fn drop(&mut self, r: Resource<Replication>) -> wasmtime::Result<()> {
        self.table.delete(r)?;
        Ok(())
    }
}
