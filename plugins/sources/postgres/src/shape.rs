//! What a table's shape is at a place of the log: its columns as the log announces them, and what only the catalogs know of
//! them (what cannot be null, defaults, the primary key's order), which are read later than that place was written.
//!
//! What the log says goes before what the catalogs say: names, types and their order always, the primary key where the
//! replica identity tells it, and that a column can be null where a row has a null in it.

use std::collections::BTreeSet;

use crate::catalog::{Column, Table};
use crate::wal::Relation;

/// A column as the rows come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub name: String,
    pub type_oid: u32,
    pub modifier: i32,
    /// It is part of the replica identity.
    pub identity: bool,
}

/// A table as the log announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub identity: u8,
    pub columns: Vec<Incoming>,
}

impl Announced {
    pub fn new(relation: &Relation<'_>) -> Self {
        let column = |c: &crate::wal::RelationColumn<'_>| Incoming {
            name: c.name.to_owned(),
            type_oid: c.type_oid,
            modifier: c.modifier,
            identity: c.identity,
        };
        Announced {
            oid: relation.oid,
            schema: relation.schema.to_owned(),
            name: relation.name.to_owned(),
            identity: relation.identity,
            columns: relation.columns.iter().map(column).collect(),
        }
    }

    /// As a snapshot reads it: the very moment that the catalogs are of.
    pub fn of(table: &Table) -> Self {
        let columns = table.columns.iter().filter(|c| !c.generated);
        let column = |c: &Column| Incoming {
            name: c.name.clone(),
            type_oid: c.type_oid,
            modifier: c.modifier,
            identity: table.primary && c.key.is_some(),
        };
        Announced {
            oid: table.oid,
            schema: table.schema.clone(),
            name: table.name.clone(),
            identity: table.replica_identity as u8,
            columns: columns.map(column).collect(),
        }
    }
}

/// What is known of a column beside its name and type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fact {
    pub not_null: bool,
    /// `pg_get_expr` of its default.
    pub default: Option<String>,
}

/// What is known of a table beside its columns; both by the place of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub facts: Vec<Fact>,
    /// The columns of its key, in the key's order.
    pub key: Vec<usize>,
}

impl Shape {
    /// `table`: what the catalogs say of it, if it is still there. `nullable`: columns that were seen to be null since it was
    /// announced, whatever the catalogs say by now. `before`: its shape before this one.
    pub fn new(announced: &Announced, table: Option<&Table>, nullable: &BTreeSet<String>, before: Option<&Before>) -> Shape {
        let columns = &announced.columns;
        if let Some(facts) = before.and_then(|b| b.facts_of(columns)) {
            let mut facts = facts.clone();
            facts.iter_mut().zip(columns).for_each(|(f, c)| f.not_null &= !nullable.contains(&c.name));
            let matched = matched(columns, table.map_or(&[], |t| t.columns.as_slice()));
            return Shape { facts, key: key(announced, table, &matched, before) };
        }
        let matched = matched(columns, table.map_or(&[], |t| t.columns.as_slice()));
        let facts = columns.iter().zip(&matched).map(|(incoming, column)| {
            // The columns of a key that rows are told by are never null.
            let told = incoming.identity && matches!(announced.identity, b'd' | b'i');
            let not_null = told || column.is_some_and(|c| c.not_null);
            Fact {
                not_null: not_null && !nullable.contains(&incoming.name),
                // That of another type is of another time.
                default: column.filter(|c| c.type_oid == incoming.type_oid).and_then(|c| c.default.clone()),
            }
        });
        Shape { facts: facts.collect(), key: key(announced, table, &matched, before) }
    }
}

/// What a table was before: columns with their types, and which of them were its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    pub columns: Vec<(String, u32)>,
    pub key: Vec<usize>,
    /// Where the log tells every change of them: they hold until it does. By column.
    pub facts: Option<Vec<Fact>>,
}

impl Before {
    /// `exact`: the log tells every change.
    pub fn new(announced: &Announced, shape: &Shape, exact: bool) -> Self {
        let columns = announced.columns.iter().map(|c| (c.name.clone(), c.type_oid)).collect();
        Before { columns, key: shape.key.clone(), facts: exact.then(|| shape.facts.clone()) }
    }

    /// What is known of columns that are the same still.
    fn facts_of(&self, columns: &[Incoming]) -> Option<&Vec<Fact>> {
        let same = columns.iter().map(|c| (c.name.as_str(), c.type_oid)).eq(self.columns.iter().map(|(n, t)| (n.as_str(), *t)));
        self.facts.as_ref().filter(|f| same && f.len() == columns.len())
    }

    /// The key among later columns: by name, or by place where no column came or went. None: it is not the same any more.
    fn key_of(&self, columns: &[Incoming]) -> Option<Vec<usize>> {
        let place = |at: &usize| {
            let (name, oid) = self.columns.get(*at)?;
            let named = columns.iter().position(|c| c.name == *name);
            let here = |c: &&Incoming| columns.len() == self.columns.len() && c.type_oid == *oid;
            named.or_else(|| columns.get(*at).filter(here).map(|_| *at))
        };
        self.key.iter().map(place).collect()
    }
}

/// The columns of the catalogs that are those of the log: by name, and those that were renamed since by their place between
/// others, where no other of their type could be meant.
fn matched<'t>(incoming: &[Incoming], columns: &'t [Column]) -> Vec<Option<&'t Column>> {
    let mut matched: Vec<Option<&Column>> = incoming.iter().map(|i| columns.iter().find(|c| c.name == i.name)).collect();
    let strange: Vec<&Column> = columns.iter().filter(|c| !c.generated && !incoming.iter().any(|i| i.name == c.name)).collect();
    let mut at = 0;
    while at < matched.len() {
        let end = matched[at..].iter().position(Option::is_some).map_or(matched.len(), |n| at + n);
        if end == at {
            at += 1;
            continue;
        }
        let low = matched[..at].last().copied().flatten().map_or(0, |c| c.number);
        let high = matched.get(end).copied().flatten().map_or(i16::MAX, |c| c.number);
        let between: Vec<&Column> = strange.iter().filter(|c| low < c.number && c.number < high).copied().collect();
        let same = |(i, c): (&Incoming, &&Column)| i.type_oid == c.type_oid;
        if between.len() == end - at && incoming[at..end].iter().zip(&between).all(same) {
            for (place, column) in matched[at..end].iter_mut().zip(between) {
                *place = Some(column);
            }
        }
        at = end;
    }
    matched
}

/// The columns of the key: those of the primary key as the log tells it, else those that the catalogs name.
fn key(announced: &Announced, table: Option<&Table>, matched: &[Option<&Column>], before: Option<&Before>) -> Vec<usize> {
    let ordered = |place: fn(&Column) -> Option<u16>| {
        let mut key: Vec<(u16, usize)> = matched.iter().enumerate().filter_map(|(i, c)| Some((place(c.as_ref()?)?, i))).collect();
        key.sort_unstable();
        key.into_iter().map(|(_, i)| i).collect::<Vec<_>>()
    };
    let named = ordered(|c| c.key);
    let told: Vec<usize> = announced.columns.iter().enumerate().filter(|(_, c)| c.identity).map(|(i, _)| i).collect();
    let all = named.len() == table.map_or(0, |t| t.columns.iter().filter(|c| c.key.is_some()).count());
    match announced.identity {
        b'd' if !told.is_empty() => {
            // The same columns: their order in the key is the catalogs'.
            let mut sorted = named.clone();
            sorted.sort_unstable();
            if sorted == told { named } else { told }
        }
        // It had no primary key then, whatever it has by now.
        b'd' if table.is_some_and(|t| t.primary) => ordered(|c| c.unique),
        b'i' if !all || named.is_empty() => told,
        // The catalogs do not say it any more: it is what it was.
        b'f' if table.is_none() || !all => before.and_then(|b| b.key_of(&announced.columns)).unwrap_or(named),
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(names: &[&str], identity: &[&str]) -> Vec<Incoming> {
        names.iter().map(|n| Incoming { name: (*n).into(), type_oid: 23, modifier: -1, identity: identity.contains(n) }).collect()
    }

    /// Columns by name, `name!` one of the key, all `NOT NULL` and of a default that is their name.
    fn table(names: &[&str]) -> Table {
        let mut place = 0;
        let columns = names.iter().enumerate().map(|(i, n)| {
            let key = n.ends_with('!').then(|| {
                place += 1;
                place
            });
            let name = n.trim_end_matches('!').to_owned();
            let default = Some(name.clone());
            let number = i as i16 + 1;
            Column { number, name, type_oid: 23, modifier: -1, not_null: true, default, generated: false, key, unique: None }
        });
        let columns = columns.collect();
        Table {
            oid: 1,
            schema: "s".into(),
            name: "t".into(),
            replica_identity: 'd',
            kind: 'r',
            file: 0,
            primary: place > 0,
            columns,
        }
    }

    fn check(identity: char, names: &[&str], told: &[&str], now: &[&str], key: &[usize], defaults: &[&str]) {
        let announced =
            Announced { oid: 1, schema: "s".into(), name: "t".into(), identity: identity as u8, columns: incoming(names, told) };
        let shape = Shape::new(&announced, Some(&table(now)), &BTreeSet::new(), None);
        assert_eq!(shape.key, key, "{names:?} {told:?} {now:?}");
        let known: Vec<_> = shape.facts.iter().map(|f| f.default.as_deref().unwrap_or("-")).collect();
        assert_eq!(known, defaults, "{names:?} {told:?} {now:?}");
    }

    #[test]
    fn the_key_is_what_the_log_tells() {
        check('d', &["a", "b"], &["a"], &["a!", "b"], &[0], &["a", "b"]);
        // The key is another one by now, is gone, or came since.
        check('d', &["a", "b"], &["a"], &["a", "b!"], &[0], &["a", "b"]);
        check('d', &["a", "b"], &["a"], &["a", "b"], &[0], &["a", "b"]);
        check('d', &["a", "b"], &[], &["a!", "b"], &[], &["a", "b"]);
        check('f', &["a", "b"], &["a", "b"], &["a!", "b"], &[0], &["a", "b"]);
        check('i', &["a", "b"], &["b"], &["a", "b"], &[1], &["a", "b"]);
    }

    #[test]
    fn a_column_that_was_renamed_since_is_found_by_its_place() {
        check('f', &["a", "b", "c"], &[], &["x!", "b", "c"], &[0], &["x", "b", "c"]);
        check('f', &["a", "b", "c"], &[], &["a!", "x", "c", "d"], &[0], &["a", "x", "c"]);
        // One of two is meant: it is not guessed.
        check('d', &["a", "b"], &["a"], &["a!", "x", "y"], &[0], &["a", "-"]);
        // Dropped since.
        check('d', &["a", "b", "c"], &["a"], &["a!", "c"], &[0], &["a", "-", "c"]);
    }

    #[test]
    fn the_key_of_a_table_that_is_gone_is_what_it_was() {
        let full = |names: &[&str]| Announced {
            oid: 1,
            schema: "s".into(),
            name: "t".into(),
            identity: b'f',
            columns: incoming(names, names),
        };
        let before = Before { columns: vec![("a".into(), 23), ("b".into(), 23)], key: vec![1], facts: None };
        let key = |names: &[&str]| Shape::new(&full(names), None, &BTreeSet::new(), Some(&before)).key;
        assert_eq!(key(&["a", "b"]), [1]);
        assert_eq!(key(&["c", "b", "d"]), [1]);
        assert_eq!(key(&["a", "c"]), [1]);
        assert!(key(&["a", "c", "d"]).is_empty());
    }

    #[test]
    fn a_column_that_was_null_can_be_null() {
        let announced =
            Announced { oid: 1, schema: "s".into(), name: "t".into(), identity: b'd', columns: incoming(&["a", "b"], &["a"]) };
        let shape = Shape::new(&announced, Some(&table(&["a!", "b"])), &BTreeSet::from(["b".to_owned()]), None);
        assert_eq!(shape.facts.iter().map(|f| f.not_null).collect::<Vec<_>>(), [true, false]);
        let gone = Shape::new(&announced, None, &BTreeSet::new(), None);
        let told = Fact { not_null: true, default: None };
        assert_eq!((gone.key, gone.facts), (vec![0], vec![told, Fact::default()]));
    }
}
