//! The tables that a stream has announced, and what becomes of their rows.
//!
//! A plan is made when the log announces a table, which it does before the first change of each shape, in the midst of a
//! transaction too. What the catalogs add to it is of the present and not of that place in the log: where a row shows that
//! they are ahead (a null in a column that cannot be null by now, a label that its enum does not have), the plan is corrected
//! and the row written anew. No row is ever written by a plan that it does not fit.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use millrace_plugin::{Error, warn};

use crate::catalog::{PgKind, PgType, Table, Types};
use crate::options::Options;
use crate::plan::{Cause, Plan, RowError};
use crate::shape::{Announced, Before, Shape};
use crate::wal::Relation;

/// What is asked of the server's catalogs.
pub trait Catalog {
    /// A table as it is now. None: it is gone.
    fn table(&mut self, oid: u32) -> Result<Option<Table>, Error>;
    /// All types, read anew.
    fn types(&mut self) -> Result<Types, Error>;
    /// The labels of some enums, read anew.
    fn labels(&mut self, enums: &[u32]) -> Result<HashMap<u32, Vec<String>>, Error>;
}

pub struct Tables {
    types: Types,
    /// By the table's oid. None: not captured.
    plans: HashMap<u32, Option<Rc<Plan>>>,
    known: HashMap<u32, Known>,
    /// The one used last: most changes come in runs.
    last: Option<(u32, Option<Rc<Plan>>)>,
    /// Types as the log names them: those that are gone from the catalogs are known by this alone.
    named: HashMap<u32, (String, String)>,
    /// Tables as a message of the log described them at its place: exact, unlike the catalogs.
    told: HashMap<u32, Table>,
    /// What tables were when they were met last, over connections too.
    before: HashMap<u32, Before>,
    /// Labels that came and that no catalog has.
    strange_labels: HashMap<u32, BTreeSet<String>>,
}

/// What a plan was made of.
pub struct Known {
    pub announced: Announced,
    pub table: Option<Table>,
    pub shape: Shape,
    nullable: BTreeSet<String>,
}

impl Tables {
    pub fn new(types: Types) -> Self {
        Tables {
            types,
            plans: HashMap::new(),
            known: HashMap::new(),
            last: None,
            named: HashMap::new(),
            told: HashMap::new(),
            before: HashMap::new(),
            strange_labels: HashMap::new(),
        }
    }

    /// The connection is another one, which announces all of them anew.
    pub fn clear(&mut self) {
        self.plans.clear();
        self.known.clear();
        self.told.clear();
        self.last = None;
    }

    /// A message of the log says what a table looks like from its place on.
    pub fn tell(&mut self, table: Table, catalog: &mut dyn Catalog) -> Result<(Announced, Shape), Error> {
        let announced = Announced::of(&table);
        self.learn(&announced, catalog)?;
        let shape = Shape::new(&announced, Some(&table), &BTreeSet::new(), None);
        self.told.insert(table.oid, table);
        Ok((announced, shape))
    }

    /// What a table was before the log is read.
    pub fn remember(&mut self, oid: u32, before: Before) {
        self.before.insert(oid, before);
    }

    pub fn types(&self) -> &Types {
        &self.types
    }

    pub fn known(&self, oid: u32) -> Option<&Known> {
        self.known.get(&oid)
    }

    /// Makes ready for changes of a table.
    #[inline]
    pub fn select(&mut self, oid: u32) {
        if self.last.as_ref().is_none_or(|(last, _)| *last != oid) {
            self.last = self.plans.get(&oid).map(|plan| (oid, plan.clone()));
        }
    }

    /// The plan of a table: `Some(None)` where it is not captured, `None` where it was not announced.
    #[inline]
    pub fn plan(&self, oid: u32) -> Option<Option<&Rc<Plan>>> {
        let plan = match &self.last {
            Some((last, plan)) if *last == oid => plan,
            _ => self.plans.get(&oid)?,
        };
        Some(plan.as_ref())
    }

    /// The log names a type, before a table that has it.
    pub fn name_type(&mut self, oid: u32, schema: &str, name: &str) {
        self.named.insert(oid, (schema.to_owned(), name.to_owned()));
    }

    /// The log announces a table: from here on its changes have this shape.
    pub fn announce(&mut self, relation: &Relation<'_>, options: &Options, catalog: &mut dyn Catalog) -> Result<(), Error> {
        self.last = None;
        self.known.remove(&relation.oid);
        if !options.filter.table(relation.schema, relation.name) {
            self.plans.insert(relation.oid, None);
            return Ok(());
        }
        let announced = Announced::new(relation);
        self.learn(&announced, catalog)?;
        let table = match self.told.get(&relation.oid) {
            Some(told) => Some(told.clone()),
            None => catalog.table(relation.oid)?,
        };
        let nullable = BTreeSet::new();
        if self.told.contains_key(&relation.oid) {
            // It says all there is to say.
            self.before.entry(relation.oid).and_modify(|b| b.facts = None);
        }
        let shape = Shape::new(&announced, table.as_ref(), &nullable, self.before.get(&relation.oid));
        self.known.insert(relation.oid, Known { announced, table, shape, nullable });
        self.make(relation.oid, options)
    }

    fn make(&mut self, oid: u32, options: &Options) -> Result<(), Error> {
        self.last = None;
        let Some(known) = self.known.get_mut(&oid) else { return Ok(()) };
        known.shape = Shape::new(&known.announced, known.table.as_ref(), &known.nullable, self.before.get(&oid));
        self.before.insert(oid, Before::new(&known.announced, &known.shape, options.ddl_enabled));
        let plan = Plan::new(options, &self.types, &known.announced, &known.shape)?;
        self.plans.insert(oid, Some(Rc::new(plan)));
        Ok(())
    }

    /// Corrects a table's plan by a row that did not fit it. False: it is not the plan that is wrong.
    pub fn correct(&mut self, oid: u32, error: &RowError, options: &Options, catalog: &mut dyn Catalog) -> Result<bool, Error> {
        let Some(known) = self.known.get_mut(&oid) else { return Ok(false) };
        match &error.cause {
            Cause::Null => {
                if !known.nullable.insert(error.column.clone()) {
                    return Ok(false);
                }
            }
            Cause::Value(e) => {
                let column = known.announced.columns.iter().find(|c| c.name == error.column);
                let at = column.and_then(|c| self.types.enum_of(c.type_oid));
                let (Some(label), Some(at)) = (&e.label, at) else { return Ok(false) };
                self.refresh_labels(&[at], catalog)?;
                if !self.has_label(at, label) {
                    // It was renamed since, or its type dropped.
                    self.strange_labels.entry(at).or_default().insert(label.clone());
                    self.add_strange(at);
                }
            }
        }
        self.make(oid, options)?;
        Ok(true)
    }

    /// Reads the catalogs anew where types are new to us or may have changed since.
    fn learn(&mut self, announced: &Announced, catalog: &mut dyn Catalog) -> Result<(), Error> {
        if announced.columns.iter().any(|c| self.types.get(c.type_oid).is_none()) {
            self.types = catalog.types()?;
            for at in self.strange_labels.keys().copied().collect::<Vec<_>>() {
                self.add_strange(at);
            }
        }
        for column in &announced.columns {
            if self.types.get(column.type_oid).is_none() {
                self.stand_in(column.type_oid);
                let name = self.named.get(&column.type_oid).map_or("a type", |(_, name)| name.as_str());
                warn!("a column's type was dropped since: its values are given as text, or as the type below it";
                    table = announced.name, column = column.name, r#type = name);
            }
        }
        let enums: BTreeSet<u32> = announced.columns.iter().filter_map(|c| self.types.enum_of(c.type_oid)).collect();
        if enums.is_empty() {
            return Ok(());
        }
        self.refresh_labels(&enums.into_iter().collect::<Vec<_>>(), catalog)
    }

    fn refresh_labels(&mut self, enums: &[u32], catalog: &mut dyn Catalog) -> Result<(), Error> {
        for (oid, labels) in catalog.labels(enums)? {
            self.set_labels(oid, labels);
        }
        enums.iter().for_each(|oid| self.add_strange(*oid));
        Ok(())
    }

    fn set_labels(&mut self, oid: u32, labels: Vec<String>) {
        if let Some(t) = self.types.0.get_mut(&oid) {
            *t = Rc::new(PgType { kind: PgKind::Enum(labels), ..(**t).clone() });
        }
    }

    fn labels(&self, oid: u32) -> &[String] {
        match self.types.get(oid).map(|t| &t.kind) {
            Some(PgKind::Enum(labels)) => labels,
            _ => &[],
        }
    }

    fn has_label(&self, oid: u32, label: &str) -> bool {
        self.labels(oid).iter().any(|l| l == label)
    }

    fn add_strange(&mut self, oid: u32) {
        let Some(strange) = self.strange_labels.get(&oid) else { return };
        let mut labels = self.labels(oid).to_vec();
        let missing: Vec<_> = strange.iter().filter(|l| !labels.contains(l)).cloned().collect();
        if !missing.is_empty() {
            labels.extend(missing);
            self.set_labels(oid, labels);
        }
    }

    /// A type that is gone: the log names it, or what lies below it, which is looked for among those that are there.
    fn stand_in(&mut self, oid: u32) {
        let named = self.named.get(&oid);
        let find = |schema: &str, name: &str| self.types.0.values().find(|t| t.schema == schema && t.name == name);
        let found = named.and_then(|(schema, name)| find(schema, name)).or_else(|| find("pg_catalog", "text"));
        if let Some(found) = found {
            let stand_in = Rc::new(PgType { oid, ..(**found).clone() });
            self.types.0.insert(oid, stand_in);
        }
    }
}
