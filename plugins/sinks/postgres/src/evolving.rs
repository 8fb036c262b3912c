//! Tables made and changed for records, beside other tasks, workers and people who do the same.
//!
//! A change is committed before the records that need it are written, in a transaction of its own: a crash in between leaves
//! a wider table, which is right for both. All tasks of all workers take one lock for a table, read it again under the lock
//! and change only what still has to be; who changes tables without the lock is met by trying again. A table's own lock is
//! waited for briefly, since whoever writes to the table waits behind it.

use millrace_plugin::postgres::quote_literal;
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, ErrorKind, info, metrics, warn};

use crate::catalog::{self, Table, TableName};
use crate::connection::{Connection, is_concurrent};
use crate::evolution::{self, Step};
use crate::plan::{Draft, Shape};
use crate::reduce::{Op, OpKind};
use crate::task::Task;
use crate::widening::{self, Wider};
use crate::writing::Written;

/// How long the lock of a table is waited for.
const LOCK_TIMEOUT: &str = "5s";
/// How often a change is tried that others interfere with, before the whole batch is put back.
const ATTEMPTS: usize = 5;
/// The same, for a table whose lock was not had in time.
const LOCK_ATTEMPTS: usize = 2;
/// Changes that are known to fail.
const GIVEN_UP_MAX: usize = 1000;

/// What a value needs that its table refused.
pub(crate) type Needed = Vec<(TableName, Step)>;

/// How a look at a table under its lock ended.
enum Changed {
    Table(Option<Table>),
    /// The reason why it is not, and will not be, as it has to be.
    No(String),
}

impl Task {
    /// The table as it is, made or changed where the settings say so. None: there is none, and a delete needs none. The inner
    /// error is why the table cannot take the draft's records.
    pub(crate) fn table_for(&mut self, draft: &Draft) -> Result<Option<Result<Table, String>>, Error> {
        let found = catalog::read(self.connection()?, &draft.table)?;
        let steps = match &found {
            None if draft.shape == Shape::Tombstone => return Ok(None),
            None if !self.options.create => return Ok(Some(Err(self.no_table(draft)))),
            None => Vec::new(),
            Some(table) => match evolution::steps(draft, table) {
                Ok(steps) => self.wanted_steps(&draft.table, steps),
                Err(why) => return Ok(Some(Err(why))),
            },
        };
        if let Some(table) = found {
            if let Some(why) = self.not_evolving(draft, &steps).filter(|_| !self.options.evolve) {
                return Ok(Some(Err(why)));
            }
            if steps.is_empty() || !self.options.evolve {
                self.know(&draft.table, table.clone());
                return Ok(Some(Ok(table)));
            }
        }
        let changed = self.change(&draft.table, &|task, found| match found {
            None if !task.options.create => Err(task.no_table(draft)),
            None => draft.create().map(|sql| (sql, Vec::new())),
            Some(table) => {
                let steps = task.wanted_steps(&draft.table, evolution::steps(draft, table)?);
                // Another has just made it.
                match task.options.evolve {
                    true => Ok((String::new(), steps)),
                    false => task.not_evolving(draft, &steps).map_or(Ok((String::new(), Vec::new())), Err),
                }
            }
        })?;
        Ok(Some(match changed {
            Changed::Table(Some(table)) => Ok(table),
            Changed::Table(None) => Err(format!(
                "the table {} was created and is not found: give {} a schema that is in the user's search_path",
                draft.table.sql(),
                self.options.dialect.table_format()
            )),
            Changed::No(why) => Err(why),
        }))
    }

    fn no_table(&self, draft: &Draft) -> String {
        format!("there is no table {}: create it, or set {}", draft.table.sql(), self.options.dialect.create())
    }

    /// Why records do not go in where tables are not to change: the columns that steps would add.
    fn not_evolving(&self, draft: &Draft, steps: &[Step]) -> Option<String> {
        let missing: Vec<_> = steps.iter().filter(|s| !s.may_fail()).collect();
        let names: Vec<_> = missing.iter().map(|s| step_column(s)).collect();
        let dialect = self.options.dialect;
        (!names.is_empty()).then(|| {
            format!(
                "the table {} has no column \"{}\": add it by {}; or set {}, or leave the field out by {}",
                draft.table.sql(),
                names.join("\", \""),
                evolution::alter(&draft.table, missing),
                dialect.evolve(),
                dialect.leave_out()
            )
        })
    }

    /// Without what was tried in vain.
    fn wanted_steps(&self, table: &TableName, mut steps: Vec<Step>) -> Vec<Step> {
        steps.retain(|s| !s.may_fail() || !self.given_up.contains(&evolution::alter(table, [s])));
        steps
    }

    /// Remembers a table. When it is not what was remembered, what was made for it is void.
    fn know(&mut self, name: &TableName, table: Table) {
        if let Some(before) = self.tables.insert(name.clone(), table)
            && before != self.tables[name]
        {
            let plans = &self.plans;
            self.by_schema.retain(|_, plan| plan.as_ref().map_or(true, |p| plans[*p as usize].table != *name));
            self.generation += 1;
        }
    }

    /// Changes a table as `needs` says of it as it is under the lock: the statement that makes it, or the steps it lacks.
    #[allow(clippy::type_complexity)]
    fn change(
        &mut self,
        name: &TableName,
        needs: &dyn Fn(&Task, Option<&Table>) -> Result<(String, Vec<Step>), String>,
    ) -> Result<Changed, Error> {
        let mut attempt = 1;
        loop {
            match self.change_once(name, needs) {
                Ok(changed) => {
                    if let Changed::Table(Some(table)) = &changed {
                        self.know(name, table.clone());
                    }
                    return Ok(changed);
                }
                Err(e) => {
                    let attempts = if e.sqlstate() == Some("55P03") { LOCK_ATTEMPTS } else { ATTEMPTS };
                    if e.code == "postgres.connection" || self.connection()?.query("ROLLBACK").is_err() {
                        return Err(e);
                    }
                    let again = is_concurrent(&e);
                    if again && attempt < attempts {
                        attempt += 1;
                        continue;
                    }
                    if again || e.kind == ErrorKind::Retriable {
                        let what = format!("cannot change the table {} now, others use or change it", name.sql());
                        return Err(Error { kind: ErrorKind::Retriable, ..e.context(&what) });
                    }
                    // What is wrong with the change; all else is wrong with the server, and no record's fault.
                    let refused =
                        e.sqlstate().is_some_and(|s| ["0A", "22", "23", "2B", "3F", "42", "54", "55"].contains(&&s[..2]));
                    return if refused { Ok(Changed::No(self.explained(name, &e))) } else { Err(e) };
                }
            }
        }
    }

    fn explained(&self, name: &TableName, e: &Error) -> String {
        let remedy = match e.sqlstate() {
            Some("42501") => "let the connection's user own the table, or have CREATE on its schema",
            Some("3F000") => "create the schema: it is not made",
            Some("42704") => "create the type, or the extension that has it",
            _ => "change the table by hand",
        };
        let (dialect, table) = (self.options.dialect, name.sql());
        format!("cannot make or change the table {table} as {} asks: {}; {remedy}", dialect.evolve(), e.message)
    }

    fn change_once(
        &mut self,
        name: &TableName,
        needs: &dyn Fn(&Task, Option<&Table>) -> Result<(String, Vec<Step>), String>,
    ) -> Result<Changed, Error> {
        let lock = quote_literal(&format!("millrace {}", name.sql()));
        self.connection()?.query(&format!(
            "BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SELECT pg_advisory_xact_lock(hashtextextended({lock}, 0))"
        ))?;
        let found = read_locked(self.connection()?, name)?;
        let (create, steps) = match needs(self, found.as_ref()) {
            Ok(needed) => needed,
            Err(why) => {
                self.connection()?.query("ROLLBACK")?;
                return Ok(Changed::No(why));
            }
        };
        let mut failed = Vec::new();
        if found.is_none() {
            self.connection()?.query(&create)?;
        } else if !steps.is_empty() {
            let connection = self.connection()?;
            if let Some(why) = no_default(connection, name, &steps)? {
                connection.query("ROLLBACK")?;
                return Ok(Changed::No(why));
            }
            failed = alter(connection, name, &steps)?;
        }
        let connection = self.connection()?;
        connection.query("COMMIT")?;
        let table = catalog::read(connection, name)?;
        if found.is_none() {
            info!("made a table"; table = name.sql(), statement = create);
            metrics::counter_add("table_changes", &[("change", "create_table")], 1);
        }
        for step in steps.iter().filter(|s| !failed.iter().any(|(f, _)| f == *s)) {
            info!("changed a table"; table = name.sql(), statement = evolution::alter(name, [step]));
            metrics::counter_add("table_changes", &[("change", step.kind())], 1);
        }
        for (step, e) in failed {
            self.give_up(name, &step, &e.message);
        }
        Ok(Changed::Table(table))
    }

    /// A step that is not tried again: records whose values need it are refused one by one.
    fn give_up(&mut self, name: &TableName, step: &Step, why: &str) {
        let statement = evolution::alter(name, [step]);
        warn!("a table cannot be changed: {}", why; table = name.sql(), statement = statement);
        if self.given_up.len() >= GIVEN_UP_MAX {
            self.given_up.clear();
        }
        self.given_up.insert(statement);
    }

    /// What the tables need for values that the server refused as null, too long or too large; nothing: it was for another
    /// reason, or the settings do not let tables change.
    pub(crate) fn room_for(&mut self, batch: &Batch<'_>, ops: &[Op], e: &Error) -> Result<Needed, Error> {
        let mut needed = Needed::new();
        if !self.options.evolve {
            return Ok(needed);
        }
        let writes = || ops.iter().filter(|op| op.kind == OpKind::Write);
        match (e.sqlstate(), e.get("column")) {
            (Some("23502"), Some(column)) => {
                for op in writes() {
                    let plan = &self.plans[op.plan as usize];
                    // Of a partition the server names the partition, which has no plan.
                    let elsewhere = e.get("table").is_some_and(|t| t != plan.table.table && self.tables_named(t));
                    let known = self.tables.get(&plan.table).and_then(|t| t.column(column).filter(|_| t.plain));
                    let relaxes = known.is_some_and(|c| c.not_null && !c.key && !c.generated && !c.domain)
                        && plan.columns.iter().find(|c| c.name == column).is_none_or(|c| c.optional);
                    if relaxes && !elsewhere {
                        push(&mut needed, &plan.table, Step::Relax { column: column.to_owned() });
                    }
                }
            }
            (Some("22001" | "22003"), _) => {
                for op in writes() {
                    self.longer(batch, op, &mut needed);
                }
            }
            _ => {}
        }
        needed.retain(|(table, step)| !self.given_up.contains(&evolution::alter(table, [step])));
        Ok(needed)
    }

    fn tables_named(&self, table: &str) -> bool {
        self.tables.keys().any(|t| t.table == table)
    }

    /// The columns that are too short for a record's values.
    fn longer(&self, batch: &Batch<'_>, op: &Op, needed: &mut Needed) {
        let plan = &self.plans[op.plan as usize];
        let Some(table) = self.tables.get(&plan.table).filter(|t| t.plain) else { return };
        let record = batch.record(op.row as usize);
        let (row, key, topic) = (plan.row(&record), record.key(), batch.topic_of(&record));
        let mut value = Vec::new();
        for (i, target) in plan.columns.iter().enumerate() {
            let Some(column) = table.column(&target.name).filter(|c| c.length().is_some() || c.digits().is_some()) else {
                continue;
            };
            value.clear();
            // Behind the type and the length, which is -1 and without bytes for a null.
            let written = plan.write(i, topic, &record, key.as_ref(), row.as_ref(), &mut value);
            if written.is_ok()
                && let Some(bytes) = value.get(8..).filter(|b| !b.is_empty())
                && let Some(to) = widening::room(column, target.wire, bytes)
            {
                let wider = Wider { to, using: None };
                push(needed, &plan.table, Step::Widen { column: column.name.clone(), from: column.full.clone(), wider });
            }
        }
    }

    /// Gives tables what values need. Each step is either done, by whomever, or given up: the batch that is put again does not
    /// come here for it a second time.
    pub(crate) fn make_room(&mut self, needed: Needed) -> Result<Written, Error> {
        for (name, step) in needed {
            let before = self.tables.get(&name).cloned();
            let changed = self.change(&name, &|_, found| {
                let column = found.and_then(|t| t.column(step_column(&step)));
                let still = match (&step, column) {
                    (Step::Relax { .. }, Some(c)) => c.not_null,
                    // Another's change of it is seen in its type.
                    (Step::Widen { from, .. }, Some(c)) => c.full == *from,
                    _ => false,
                };
                Ok((String::new(), still.then(|| step.clone()).into_iter().collect()))
            })?;
            match changed {
                Changed::Table(after) if after.is_some() && after == before => self.give_up(&name, &step, "it changes nothing"),
                Changed::Table(_) => {}
                Changed::No(why) => self.give_up(&name, &step, &why),
            }
        }
        Ok(Written::TableChanged)
    }
}

fn step_column(step: &Step) -> &str {
    match step {
        Step::Add { column, .. } | Step::Widen { column, .. } | Step::Relax { column } => column,
    }
}

/// Adds a step; of two for one column the later one is for a longer value.
fn push(needed: &mut Needed, table: &TableName, step: Step) {
    let known = needed.iter_mut().find(|(t, s)| t == table && step_column(s) == step_column(&step));
    match known {
        None => needed.push((table.clone(), step)),
        Some((_, known)) => {
            if let (Step::Widen { wider: a, .. }, Step::Widen { wider: b, .. }) = (known, &step)
                && (b.to.len(), &b.to) > (a.to.len(), &a.to)
            {
                *a = b.clone();
            }
        }
    }
}

/// The table as it stays until the transaction ends: who alters it without our lock would have a wider column narrowed again.
/// Its readers and writers go on. Where the user may not lock the table, the change will be refused too, and nothing narrowed.
fn read_locked(connection: &mut dyn Connection, name: &TableName) -> Result<Option<Table>, Error> {
    if catalog::read(connection, name)?.is_none() {
        return Ok(None);
    }
    connection.query("SAVEPOINT look")?;
    match connection.query(&format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", name.sql())) {
        Ok(_) => {}
        Err(e) if is_concurrent(&e) || e.kind == ErrorKind::Retriable => return Err(e),
        Err(_) => drop(connection.query("ROLLBACK TO look")?),
    }
    catalog::read(connection, name)
}

/// Why steps cannot be taken: a value would have to be in every row, and rows are there that have none.
fn no_default(connection: &mut dyn Connection, name: &TableName, steps: &[Step]) -> Result<Option<String>, Error> {
    let required = steps.iter().find(|s| matches!(s, Step::Add { needs_empty: true, .. }));
    let Some(step) = required else { return Ok(None) };
    let rows = connection.query(&format!("SELECT EXISTS (SELECT 1 FROM {})", name.sql()))?;
    let empty = rows.first().and_then(|r| r.first()).is_some_and(|c| c.as_deref() == Some("f"));
    Ok((!empty).then(|| {
        format!(
            "cannot add the column \"{}\" to the table {}: its field is required and has no default, and the table has rows: \
             make the field optional or give it a default at the source, or add the column by hand",
            step_column(step),
            name.sql()
        )
    }))
}

/// Takes the steps, if not all at once then those that have to be and, one by one, those that can be; answers with the others.
fn alter(connection: &mut dyn Connection, name: &TableName, steps: &[Step]) -> Result<Vec<(Step, Error)>, Error> {
    let again = |e: &Error| is_concurrent(e) || e.kind == ErrorKind::Retriable;
    connection.query("SAVEPOINT change")?;
    match connection.query(&evolution::alter(name, steps)) {
        Ok(_) => return Ok(Vec::new()),
        Err(e) if again(&e) || !steps.iter().any(Step::may_fail) => return Err(e),
        Err(_) => drop(connection.query("ROLLBACK TO change")?),
    }
    let (may_fail, have_to): (Vec<_>, Vec<_>) = steps.iter().partition(|s| s.may_fail());
    if !have_to.is_empty() {
        connection.query(&evolution::alter(name, have_to))?;
    }
    let mut failed = Vec::new();
    for step in may_fail {
        connection.query("SAVEPOINT change")?;
        match connection.query(&evolution::alter(name, [step])) {
            Ok(_) => {}
            Err(e) if again(&e) => return Err(e),
            Err(e) => {
                connection.query("ROLLBACK TO change")?;
                failed.push((step.clone(), e));
            }
        }
    }
    Ok(failed)
}
