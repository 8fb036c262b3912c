//! Schema changes in the midst of the stream: of tables that were announced anew, and of statements that the log tells.

use millrace_plugin::Error;

use crate::catalog::Table;
use crate::ddl;
use crate::emit::{Emitter, Event};
use crate::options::Options;
use crate::schema_changes::{Change, SchemaChanges};
use crate::shape::{Announced, Shape};
use crate::tables::{Catalog, Tables};

/// Tells of a table that was announced with another shape than the one told before.
pub(super) fn note(
    changes: &mut Option<SchemaChanges>,
    tables: &Tables,
    relation: u32,
    emitter: &mut Emitter<'_>,
    event: Event<'_>,
) {
    let Some(changes) = changes else { return };
    if !changes.take_pending(relation) {
        return;
    }
    let Some(known) = tables.known(relation) else { return };
    let kind = if changes.is_told(relation) { "ALTER" } else { "CREATE" };
    if changes.news(&known.announced, &known.shape, tables.types()) {
        let change = Change { kind, announced: &known.announced, shape: &known.shape };
        changes.write(emitter, tables.types(), &[change], None, event.origin, event.now_us);
    }
}

/// Takes a statement that the log tells: from here on its tables are as it says.
#[allow(clippy::too_many_arguments, reason = "parts of the stream that are borrowed apart")]
pub(super) fn tell(
    changes: &mut Option<SchemaChanges>,
    tables: &mut Tables,
    options: &Options,
    content: &[u8],
    taken: bool,
    emitter: &mut Emitter<'_>,
    catalog: &mut dyn Catalog,
    event: Event<'_>,
) -> Result<(), Error> {
    let Some(statement) = changes.as_ref().and_then(|_| ddl::read(content)) else { return Ok(()) };
    let Some(changes) = changes else { return Ok(()) };
    let (mut news, mut gone) = (Vec::new(), Vec::new());
    // Rows of a partitioned table are its partitions', unless they come as its own.
    let captured = |t: &Table| options.filter.table(&t.schema, &t.name) && (t.kind != 'p' || options.via_root);
    for table in statement.tables.into_iter().filter(captured) {
        let kind = if changes.is_told(table.oid) { "ALTER" } else { "CREATE" };
        let (announced, shape) = tables.tell(table, catalog)?;
        if !taken && changes.news(&announced, &shape, tables.types()) {
            news.push((kind, announced, shape));
        }
    }
    for d in statement.dropped.into_iter().filter(|d| options.filter.table(&d.schema, &d.name)) {
        if !taken && changes.forget(d.oid, &d.schema, &d.name) {
            let announced = Announced { oid: d.oid, schema: d.schema, name: d.name, identity: b'd', columns: Vec::new() };
            gone.push(("DROP", announced, Shape { facts: Vec::new(), key: Vec::new() }));
        }
    }
    news.extend(gone);
    let list: Vec<_> = news.iter().map(|(kind, announced, shape)| Change { kind: *kind, announced, shape }).collect();
    changes.write(emitter, tables.types(), &list, Some(&statement.text), event.origin, event.now_us);
    Ok(())
}
