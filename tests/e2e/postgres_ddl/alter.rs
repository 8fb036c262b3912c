//! Changes of a table's shape.

use std::rc::Rc;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::model::{Column, KINDS, Kind, Shape, Writer};

impl Writer {
    /// Makes the table anew, with some columns.
    pub(super) async fn create(&mut self) -> anyhow::Result<()> {
        let mut columns = vec![
            Column { name: "id".into(), kind: Kind::Int8, not_null: true },
            Column { name: "m".into(), kind: Kind::Int8, not_null: false },
        ];
        for _ in 0..self.rng.random_range(0..5) {
            let kind = *KINDS.choose(&mut self.rng).expect("not empty");
            columns.push(Column { name: self.fresh_name(), kind, not_null: self.rng.random_range(0..3) == 0 });
        }
        let list: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let constraint = if i == 0 {
                    " primary key"
                } else if c.not_null {
                    " not null"
                } else {
                    ""
                };
                format!("{} {}{constraint}", c.name, c.kind.sql())
            })
            .collect();
        let table = self.book.shape.table.clone();
        self.sql(&format!("create table {table} ({})", list.join(", "))).await?;
        let generation = self.book.shape.generation + 1;
        self.book.shape = Rc::new(Shape { table, generation, columns });
        self.book.full = false;
        self.book.live.clear();
        Ok(())
    }

    /// One change, and what it made of the rows.
    pub(super) async fn alter(&mut self) -> anyhow::Result<()> {
        let shape = self.book.shape.clone();
        let table = shape.table.clone();
        // The key may be renamed; all else is done to other columns.
        let others: Vec<usize> = (2..shape.columns.len()).filter(|i| shape.columns[*i].kind != Kind::Generated).collect();
        let at = others.choose(&mut self.rng).copied();
        let mut new = (*shape).clone();
        match (self.rng.random_range(0..24), at) {
            (0..5, _) => {
                let kind = *KINDS.choose(&mut self.rng).expect("not empty");
                let not_null = self.rng.random_range(0..3) == 0;
                let name = self.fresh_name();
                let default = not_null || self.rng.random_range(0..3) == 0;
                let default = if default { format!(" default {}", kind.value(&mut self.rng, 2)) } else { String::new() };
                let constraint = if not_null { " not null" } else { "" };
                self.sql(&format!("alter table {table} add {name} {}{default}{constraint}", kind.sql())).await?;
                new.columns.push(Column { name, kind, not_null });
            }
            (5..8, Some(at)) => {
                self.sql(&format!("alter table {table} drop {} cascade", shape.columns[at].name)).await?;
                new.columns.remove(at);
            }
            (8..11, at) => {
                let at = if self.rng.random_range(0..3) == 0 { 0 } else { at.unwrap_or(0) };
                let name = self.fresh_name();
                self.sql(&format!("alter table {table} rename {} to {name}", shape.columns[at].name)).await?;
                new.columns[at].name = name;
            }
            (11..14, Some(at)) => {
                let column = &shape.columns[at];
                let Some((kind, using)) = column.kind.retyped(&mut self.rng) else { return Ok(()) };
                let (name, using) = (&column.name, using.replace('$', &column.name));
                self.sql(&format!(
                    "alter table {table} alter {name} drop default, alter {name} drop not null, alter {name} type {} using {using}",
                    kind.sql()
                ))
                .await?;
                new.columns[at].kind = kind;
                new.columns[at].not_null = false;
            }
            (14..16, Some(at)) if !shape.columns[at].not_null => {
                let column = shape.columns[at].clone();
                for id in self.book.live.keys().copied().collect::<Vec<_>>() {
                    let logged = shape.columns.iter().filter(|c| c.kind != Kind::Generated);
                    let place = logged.into_iter().position(|c| c.name == column.name).unwrap_or(0);
                    if self.book.live[&id][place].is_none() {
                        let value = column.kind.value(&mut self.rng, 2);
                        self.update(id, &[format!("{} = {value}", column.name)]).await?;
                    }
                }
                self.sql(&format!("alter table {table} alter {} set not null", column.name)).await?;
                new.columns[at].not_null = true;
            }
            (16, Some(at)) => {
                self.sql(&format!("alter table {table} alter {} drop not null", shape.columns[at].name)).await?;
                new.columns[at].not_null = false;
            }
            (17, Some(at)) => {
                let value = shape.columns[at].kind.value(&mut self.rng, 2);
                self.sql(&format!("alter table {table} alter {} set default {value}", shape.columns[at].name)).await?;
            }
            (18, _) => {
                let full = self.rng.random_range(0..2) == 0;
                let word = if full { "full" } else { "default" };
                self.sql(&format!("alter table {table} replica identity {word}")).await?;
                self.book.full = full;
            }
            (19, _) => {
                new.table = if table == "t" { "moved".into() } else { "t".into() };
                self.sql(&format!("alter table {table} rename to {}", new.table)).await?;
            }
            // A new label cannot be used in the transaction that adds it.
            (20, _) if self.in_transaction.is_none() => {
                self.sql(&format!("alter type mood add value 'm{}'", self.moods)).await?;
                self.moods += 1;
            }
            (21, _) => {
                self.sql(&format!("drop table {table}")).await?;
                return self.create().await;
            }
            (22, _) => {
                self.sql(&format!("truncate {table}")).await?;
                self.book.live.clear();
            }
            (23, _) => {
                let (name, key) = (self.fresh_name(), shape.key());
                self.sql(&format!("alter table {table} add {name} int8 generated always as ({key} * 2) stored")).await?;
                new.columns.push(Column { name, kind: Kind::Generated, not_null: false });
            }
            _ => return Ok(()),
        }
        self.book.shape = Rc::new(new);
        self.look().await
    }

    /// The rows as they are after a change of the table.
    async fn look(&mut self) -> anyhow::Result<()> {
        let shape = self.book.shape.clone();
        let rows = self.sql(&format!("select {} from {}", self.logged(), shape.table)).await?;
        for row in rows {
            let id: i64 = row[0].as_deref().unwrap_or_default().parse()?;
            self.state(id, row);
        }
        Ok(())
    }
}
