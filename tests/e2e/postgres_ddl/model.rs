//! What a table is and was: one writer changes its shape and its rows at random, and writes down what each event must be.

use std::collections::BTreeMap;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Types that columns get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int2,
    Int4,
    Int8,
    Float8,
    Text,
    Varchar,
    Numeric,
    /// A domain over numeric.
    Price,
    Bool,
    Mood,
    Ints,
    /// `generated always ... stored`: the log does not have it.
    Generated,
}

pub(super) const KINDS: [Kind; 11] = [
    Kind::Int2,
    Kind::Int4,
    Kind::Int8,
    Kind::Float8,
    Kind::Text,
    Kind::Varchar,
    Kind::Numeric,
    Kind::Price,
    Kind::Bool,
    Kind::Mood,
    Kind::Ints,
];

impl Kind {
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Int2 => "int2",
            Kind::Int4 => "int4",
            Kind::Int8 | Kind::Generated => "int8",
            Kind::Float8 => "float8",
            Kind::Text => "text",
            Kind::Varchar => "varchar(40)",
            Kind::Numeric => "numeric(20,2)",
            Kind::Price => "price",
            Kind::Bool => "bool",
            Kind::Mood => "mood",
            Kind::Ints => "int4[]",
        }
    }
    /// How the JSON converter names it, with `decimal.handling.mode=string`.
    pub fn json(self) -> &'static str {
        match self {
            Kind::Int2 => "int16",
            Kind::Int4 => "int32",
            Kind::Int8 | Kind::Generated => "int64",
            Kind::Float8 => "double",
            Kind::Bool => "boolean",
            Kind::Ints => "array",
            Kind::Text | Kind::Varchar | Kind::Numeric | Kind::Price | Kind::Mood => "string",
        }
    }
    pub(super) fn value(self, rng: &mut StdRng, moods: u32) -> String {
        let n: i32 = rng.random_range(-1000..1000);
        match self {
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Generated => n.to_string(),
            Kind::Float8 => format!("{}.5", n),
            Kind::Numeric | Kind::Price => format!("{n}.25"),
            Kind::Text | Kind::Varchar => format!("'v{n}'"),
            Kind::Bool => (n % 2 == 0).to_string(),
            Kind::Mood => format!("'m{}'", rng.random_range(0..moods)),
            Kind::Ints => format!("'{{{n},7}}'"),
        }
    }
    /// How a column of this type becomes one of another.
    pub(super) fn retyped(self, rng: &mut StdRng) -> Option<(Kind, &'static str)> {
        let options: &[(Kind, &str)] = match self {
            Kind::Int2 => &[(Kind::Int4, "$"), (Kind::Text, "$::text"), (Kind::Numeric, "$")],
            Kind::Int4 => &[(Kind::Int8, "$"), (Kind::Bool, "$ > 0"), (Kind::Ints, "array[$, 1]")],
            Kind::Int8 => &[(Kind::Text, "$::text"), (Kind::Int2, "($ % 100)::int2"), (Kind::Float8, "$")],
            Kind::Float8 => &[(Kind::Int4, "$::int4"), (Kind::Text, "$::text")],
            Kind::Text => &[(Kind::Int4, "length($)"), (Kind::Varchar, "$"), (Kind::Mood, "'m0'::mood")],
            Kind::Varchar => &[(Kind::Text, "$"), (Kind::Bool, "length($) > 3")],
            Kind::Numeric => &[(Kind::Int8, "$::int8"), (Kind::Price, "$"), (Kind::Text, "$::text")],
            Kind::Price => &[(Kind::Float8, "$::float8"), (Kind::Numeric, "$")],
            Kind::Bool => &[(Kind::Text, "$::text"), (Kind::Int4, "$::int4")],
            Kind::Mood => &[(Kind::Text, "$::text")],
            Kind::Ints => &[(Kind::Text, "$::text"), (Kind::Int4, "$[1]")],
            Kind::Generated => &[],
        };
        options.choose(rng).copied()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub not_null: bool,
}

/// A table's shape; the first two columns are its key and the mark that tells each change.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub table: String,
    /// How often it was made anew.
    pub generation: u32,
    pub columns: Vec<Column>,
}

impl Shape {
    pub fn key(&self) -> &str {
        &self.columns[0].name
    }
}

/// The values as PostgreSQL prints them, of the columns that the log has.
pub type Values = Vec<Option<String>>;

/// A row as it was for a time.
#[derive(Clone, Debug)]
pub struct State {
    pub shape: Rc<Shape>,
    pub values: Values,
}

/// What an event must be.
#[derive(Clone, Debug)]
pub struct Expected {
    pub shape: Rc<Shape>,
    pub op: &'static str,
    pub id: i64,
    /// Tells inserts and updates; a delete is told by its id, which is never used again.
    pub mark: i64,
    /// `REPLICA IDENTITY FULL`.
    pub full: bool,
    pub before: Option<Values>,
    pub after: Option<Values>,
}

/// What is written down; a rollback takes it back.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) shape: Rc<Shape>,
    pub(super) full: bool,
    pub(super) live: BTreeMap<i64, Values>,
    pub(super) log: Vec<Expected>,
    pub(super) states: BTreeMap<i64, Vec<State>>,
}

/// The one writer of a table.
pub struct Writer {
    client: Client,
    pub(super) rng: StdRng,
    pub(super) book: Book,
    /// Its number: names and enum are its own.
    number: usize,
    pub(super) moods: u32,
    next: i64,
    names: u32,
    pub(super) in_transaction: Option<Book>,
}

impl Writer {
    pub async fn new(client: Client, number: usize, seed: u64) -> anyhow::Result<Writer> {
        client
            .batch_execute(&format!(
                "set search_path = s{number}, public; create schema s{number}; create type mood as enum ('m0', 'm1'); create domain price as numeric(12,2)"
            ))
            .await?;
        let shape = Rc::new(Shape { table: "t".into(), generation: 0, columns: Vec::new() });
        let book = Book { shape, full: false, live: BTreeMap::new(), log: Vec::new(), states: BTreeMap::new() };
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number as u64));
        let mut writer = Writer { client, rng, book, number, moods: 2, next: 1, names: 0, in_transaction: None };
        writer.create().await?;
        Ok(writer)
    }

    pub fn log(&self) -> &[Expected] {
        &self.book.log
    }
    pub fn states(&self, id: i64) -> &[State] {
        self.book.states.get(&id).map_or(&[], Vec::as_slice)
    }
    pub fn shape(&self) -> &Shape {
        &self.book.shape
    }
    pub fn live(&self) -> &BTreeMap<i64, Values> {
        &self.book.live
    }
    pub fn schema(&self) -> String {
        format!("s{}", self.number)
    }

    /// So many steps, in and between transactions; ends outside one.
    pub async fn steps(&mut self, n: usize) -> anyhow::Result<()> {
        for _ in 0..n {
            match self.rng.random_range(0..100) {
                0..8 if self.in_transaction.is_none() => {
                    self.sql("begin").await?;
                    self.in_transaction = Some(self.book.clone());
                }
                0..15 => self.end().await?,
                15..40 => self.alter().await?,
                _ => self.write().await?,
            }
        }
        self.end().await
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        if let Some(before) = self.in_transaction.take() {
            if self.rng.random_range(0..4) == 0 {
                self.sql("rollback").await?;
                self.book = before;
            } else {
                self.sql("commit").await?;
            }
        }
        Ok(())
    }

    pub(super) async fn sql(&self, sql: &str) -> anyhow::Result<Vec<Values>> {
        let answer = self.client.simple_query(sql).await.map_err(|e| anyhow::anyhow!("{sql}: {e:?}"))?;
        let row = |m| match m {
            SimpleQueryMessage::Row(r) => Some((0..r.len()).map(|i| r.get(i).map(str::to_owned)).collect()),
            _ => None,
        };
        Ok(answer.into_iter().filter_map(row).collect())
    }

    pub(super) fn fresh_name(&mut self) -> String {
        self.names += 1;
        format!("c{}", self.names)
    }

    pub(super) fn logged(&self) -> String {
        let names: Vec<_> =
            self.book.shape.columns.iter().filter(|c| c.kind != Kind::Generated).map(|c| c.name.as_str()).collect();
        names.join(", ")
    }

    fn mark(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let ids: Vec<i64> = self.book.live.keys().copied().collect();
        let pick = ids.choose(&mut self.rng).copied();
        match (self.rng.random_range(0..10), pick) {
            (0..4, _) | (_, None) => self.insert().await,
            (4..8, Some(id)) => self.update(id, &[]).await,
            // With REPLICA IDENTITY FULL a key that nobody knows any more cannot be seen to change.
            (8, Some(id)) if !self.book.full => self.move_row(id).await,
            (8, Some(id)) => self.update(id, &[]).await,
            (_, Some(id)) => self.delete(id).await,
        }
    }

    /// A value, or null where that is allowed.
    fn value(&mut self, column: &Column) -> String {
        let null = !column.not_null && self.rng.random_range(0..3) == 0;
        if null { "null".to_owned() } else { column.kind.value(&mut self.rng, self.moods) }
    }

    async fn insert(&mut self) -> anyhow::Result<()> {
        let (id, mark) = (self.mark(), self.mark());
        let shape = self.book.shape.clone();
        let (mut names, mut values) = (vec![shape.key().to_owned(), "m".to_owned()], vec![id.to_string(), mark.to_string()]);
        for column in shape.columns[2..].iter().filter(|c| c.kind != Kind::Generated) {
            names.push(column.name.clone());
            values.push(self.value(column));
        }
        let (table, logged) = (&shape.table, self.logged());
        let sql = format!("insert into {table} ({}) values ({}) returning {logged}", names.join(", "), values.join(", "));
        let after = self.sql(&sql).await?.remove(0);
        self.put(Expected { shape, op: "c", id, mark, full: self.book.full, before: None, after: Some(after.clone()) });
        self.state(id, after);
        Ok(())
    }

    /// Updates one row, with `set` beside what is chosen at random.
    pub(super) async fn update(&mut self, id: i64, set: &[String]) -> anyhow::Result<()> {
        let mark = self.mark();
        let shape = self.book.shape.clone();
        let mut parts = vec![format!("m = {mark}")];
        parts.extend_from_slice(set);
        if set.is_empty() {
            for column in shape.columns[2..].iter().filter(|c| c.kind != Kind::Generated) {
                if self.rng.random_range(0..2) == 0 {
                    parts.push(format!("{} = {}", column.name, self.value(column)));
                }
            }
        }
        let (table, key, logged) = (&shape.table, shape.key(), self.logged());
        let sql = format!("update {table} set {} where {key} = {id} returning {logged}", parts.join(", "));
        let after = self.sql(&sql).await?.remove(0);
        let before = self.before(id);
        self.put(Expected { shape, op: "u", id, mark, full: self.book.full, before, after: Some(after.clone()) });
        self.state(id, after);
        Ok(())
    }

    /// Gives a row another key: it is deleted and made.
    async fn move_row(&mut self, id: i64) -> anyhow::Result<()> {
        let (to, mark) = (self.mark(), self.mark());
        let shape = self.book.shape.clone();
        let (table, key, logged) = (&shape.table, shape.key(), self.logged());
        let sql = format!("update {table} set {key} = {to}, m = {mark} where {key} = {id} returning {logged}");
        let after = self.sql(&sql).await?.remove(0);
        let before = self.before(id);
        self.put(Expected { shape: shape.clone(), op: "d", id, mark: 0, full: self.book.full, before, after: None });
        self.put(Expected { shape, op: "c", id: to, mark, full: self.book.full, before: None, after: Some(after.clone()) });
        self.book.live.remove(&id);
        self.state(to, after);
        Ok(())
    }

    async fn delete(&mut self, id: i64) -> anyhow::Result<()> {
        let shape = self.book.shape.clone();
        self.sql(&format!("delete from {} where {} = {id}", shape.table, shape.key())).await?;
        let before = self.before(id);
        self.put(Expected { shape, op: "d", id, mark: 0, full: self.book.full, before, after: None });
        self.book.live.remove(&id);
        Ok(())
    }

    fn before(&self, id: i64) -> Option<Values> {
        self.book.full.then(|| self.book.live[&id].clone())
    }
    fn put(&mut self, expected: Expected) {
        self.book.log.push(expected);
    }
    pub(super) fn state(&mut self, id: i64, values: Values) {
        let shape = self.book.shape.clone();
        self.book.states.entry(id).or_default().push(State { shape, values: values.clone() });
        self.book.live.insert(id, values);
    }
}
