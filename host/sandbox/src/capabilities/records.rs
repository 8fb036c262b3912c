//! `records`: batches lent to a call, and schemas.

use bytes::Bytes;
use millrace_record::{Batch, ErrorKind, TaskError};
use wasmtime::component::{
    __internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext},
    ComponentType, HasSelf, Linker, Lower, Resource,
};
use wasmtime::{Store, StoreContextMut};

use crate::bindings::records::{self, Column, ColumnStyle, Host, HostBatch};
use crate::bindings::types::{Error, ErrorKind as Kind, Schema};
use crate::limits::HANDLES_MAX;
use crate::state::State;
use crate::wit;

/// A batch that a guest may read for as long as a call lasts.
pub struct LentBatch(Batch);

impl LentBatch {
    /// Puts a batch where the guest's handle finds it.
    pub(crate) fn lend(store: &mut Store<State>, batch: &Batch) -> Result<Resource<LentBatch>, TaskError> {
        let state = store.data_mut();
        state.table.push(LentBatch(batch.clone())).map_err(|_| {
            let plugin = &state.owner.plugin;
            let message =
                format!("cannot lend a batch to plugin \"{plugin}\": it holds {HANDLES_MAX} handles, and has to drop some");
            TaskError::new(ErrorKind::Trap, "plugin.handles", message)
        })
    }

    pub(crate) fn take_back(store: &mut Store<State>, lent: Resource<LentBatch>) {
        // The guest had it only borrowed, so it is there.
        let _ = store.data_mut().table.delete(lent);
    }
}

/// Links the interface, with `batch.rows` done by hand: the generated one wants a `Vec`, which would be a second copy.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    records::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(true);
    linker.instance("millrace:plugin/records@0.1.0")?.func_wrap(
        "[method]batch.rows",
        |cx: StoreContextMut<'_, State>, (batch,): (Resource<LentBatch>,)| {
            Ok((Shared(cx.data().table.get(&batch)?.0.bytes().clone()),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A `list<u8>` for a guest, out of a buffer that others share.
struct Shared(Bytes);

// SAFETY: everything is what `[u8]` says of itself.
unsafe impl ComponentType for Shared {
    type Lower = <[u8] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;
    const MAY_REQUIRE_REALLOC: bool = true;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[u8] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as above; the bytes are lowered by `[u8]`.
unsafe impl Lower for Shared {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut std::mem::MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        <[u8] as Lower>::linear_lower_to_flat(&self.0, cx, ty, dst)
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> wasmtime::Result<()> {
        <[u8] as Lower>::linear_lower_to_memory(&self.0, cx, ty, offset)
    }
}

impl Host for State {
    fn get_schema(&mut self, id: u32) -> wasmtime::Result<Result<Schema, Error>> {
        Ok(match self.schemas.get(id) {
            Some(schema) => Ok(wit::schema::lower(&schema)),
            None => Err(wit::error::new(Kind::Fatal, "records.no-such-schema", format!("no schema has the id {id}"))),
        })
    }

    fn intern_schema(&mut self, schema: Schema) -> wasmtime::Result<Result<u32, Error>> {
        Ok(match wit::schema::lift(&schema) {
            Ok(schema) => self.schemas.intern_within(schema, &self.quota).map_err(|e| {
                wit::error::new(Kind::Fatal, "records.too-many-schemas", format!("plugin \"{}\": {e}", self.owner.plugin))
            }),
            Err(what) => Err(wit::error::new(Kind::Fatal, "records.bad-schema", format!("not a schema: {what}"))),
        })
    }
}

impl HostBatch for State {
    fn len(&mut self, batch: Resource<LentBatch>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&batch)?.0.len() as u32)
    }

    fn rows(&mut self, batch: Resource<LentBatch>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&batch)?.0.bytes().to_vec())
    }

    fn column(
        &mut self,
        batch: Resource<LentBatch>,
        path: String,
        style: ColumnStyle,
    ) -> wasmtime::Result<Result<Column, Error>> {
        let batch = &self.table.get(&batch)?.0;
        Ok(wit::batch::column(batch, path, style, &self.schemas))
    }

    fn documents(&mut self, batch: Resource<LentBatch>, part: String) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        let batch = &self.table.get(&batch)?.0;
        Ok(wit::batch::documents(batch, &part, &self.schemas))
    }

    fn drop(&mut self, batch: Resource<LentBatch>) -> wasmtime::Result<()> {
        self.table.delete(batch)?;
        Ok(())
    }
}
