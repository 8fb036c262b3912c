//! Changes of a batch, put into the fewest statements that leave the tables as applying them one by one would.
//!
//! Changes of one row are reduced to the last; a row that was deleted on the way is deleted first, so that columns the
//! records do not name fall back to their defaults as they would have. A run holds each row at most once, so the order
//! inside it is free; where the last change does not overwrite all that an earlier one wrote, a new run begins.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What one record does.
#[derive(Debug, Clone, Copy)]
pub struct Op {
    /// Its row in the batch.
    pub row: u32,
    /// Index of its plan.
    pub plan: u32,
    /// Index of its table.
    pub table: u32,
    pub kind: OpKind,
    /// Columns that it leaves as they are.
    pub unseen: u64,
    /// Its key, in the arena.
    pub key: (u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpKind {
    Write,
    Delete,
    Truncate,
}

/// Changes of one table: the truncation, then the deletions, then the writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub table: u32,
    pub truncate: bool,
    /// Indexes of operations whose key is deleted.
    pub deletes: Vec<u32>,
    /// Indexes of operations, each the last of its row.
    pub writes: Vec<u32>,
}

/// Whether writes of one key may replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Rows are added: none replaces another.
    Append,
    /// The last write of a key wins.
    LastWins,
}

/// Runs in the order in which they have to be made. `wide(a, b)`: a write under plan `a` overwrites all that one under plan
/// `b` wrote.
pub fn runs(ops: &[Op], keys: &[u8], mode: Mode, wide: impl Fn(u32, u32) -> bool) -> Vec<Run> {
    let mut done = Vec::new();
    let mut open: Vec<Building<'_>> = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        let at = match open.iter().position(|b| b.run.table == op.table) {
            Some(at) => at,
            None => {
                open.push(Building::new(op.table));
                open.len() - 1
            }
        };
        let building = &mut open[at];
        let key = &keys[op.key.0 as usize..op.key.1 as usize];
        if !building.takes(i as u32, op, key, ops, mode, &wide) {
            done.push(std::mem::replace(building, Building::new(op.table)).finish());
            building.takes(i as u32, op, key, ops, mode, &wide);
        }
    }
    done.extend(open.into_iter().map(Building::finish));
    done
}

const GONE: u32 = u32::MAX;

struct Building<'a> {
    run: Run,
    seen: HashMap<&'a [u8], Seen, BuildHasherDefault<Fx>>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// Position in `writes`; gone: the row's last change is its deletion.
    write: u32,
    deleted: bool,
}

impl<'a> Building<'a> {
    fn new(table: u32) -> Self {
        Building { run: Run { table, ..Run::default() }, seen: HashMap::default() }
    }

    /// False: the operation has to come after this run.
    fn takes(&mut self, i: u32, op: &Op, key: &'a [u8], ops: &[Op], mode: Mode, wide: &impl Fn(u32, u32) -> bool) -> bool {
        let run = &mut self.run;
        match (op.kind, mode) {
            (OpKind::Truncate, _) => {
                if !(run.writes.is_empty() && run.deletes.is_empty()) {
                    return false;
                }
                run.truncate = true;
            }
            (OpKind::Write, Mode::Append) => run.writes.push(i),
            (OpKind::Delete, Mode::Append) => {
                if !run.writes.is_empty() {
                    return false;
                }
                run.deletes.push(i);
            }
            (OpKind::Write, Mode::LastWins) => {
                let seen = self.seen.entry(key).or_insert(Seen { write: GONE, deleted: false });
                if seen.write != GONE {
                    let old = &ops[run.writes[seen.write as usize] as usize];
                    let covers = if old.plan == op.plan {
                        op.unseen & !old.unseen == 0
                    } else {
                        op.unseen == 0 && wide(op.plan, old.plan)
                    };
                    if !covers {
                        return false;
                    }
                    run.writes[seen.write as usize] = GONE;
                }
                seen.write = run.writes.len() as u32;
                run.writes.push(i);
            }
            (OpKind::Delete, Mode::LastWins) => {
                let seen = self.seen.entry(key).or_insert(Seen { write: GONE, deleted: false });
                if seen.write != GONE {
                    run.writes[seen.write as usize] = GONE;
                    seen.write = GONE;
                }
                if !seen.deleted {
                    seen.deleted = true;
                    run.deletes.push(i);
                }
            }
        }
        true
    }

    fn finish(mut self) -> Run {
        self.run.writes.retain(|w| *w != GONE);
        self.run
    }
}

/// A quick hash for short keys of a trusted source; the map's size is bounded by the batch.
#[derive(Default)]
pub struct Fx(u64);

impl Hasher for Fx {
    fn write(&mut self, bytes: &[u8]) {
        for c in bytes.chunks(8) {
            let mut b = [0; 8];
            b[..c.len()].copy_from_slice(c);
            self.write_u64(u64::from_le_bytes(b));
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    }
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
    fn finish(&self) -> u64 {
        // The table takes the low bits, the multiplication fills the high ones.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OpKind::*;

    fn check(changes: &[(OpKind, u8, u64)], mode: Mode) -> Vec<(bool, Vec<u32>, Vec<u32>)> {
        let keys: Vec<u8> = (0..=255).collect();
        let ops: Vec<Op> = changes
            .iter()
            .enumerate()
            .map(|(i, (kind, k, unseen))| Op {
                row: i as u32,
                plan: 0,
                table: 0,
                kind: *kind,
                unseen: *unseen,
                key: (*k as u32, *k as u32 + 1),
            })
            .collect();
        runs(&ops, &keys, mode, |_, _| false).into_iter().map(|r| (r.truncate, r.deletes, r.writes)).collect()
    }

    #[test]
    fn the_last_change_of_a_row_wins() {
        use Mode::LastWins;
        assert_eq!(check(&[(Write, 1, 0), (Write, 2, 0), (Write, 1, 0)], LastWins), [(false, vec![], vec![1, 2])]);
        assert_eq!(check(&[(Write, 1, 0), (Delete, 1, 0)], LastWins), [(false, vec![1], vec![])]);
        assert_eq!(check(&[(Delete, 1, 0), (Write, 1, 0), (Delete, 2, 0)], LastWins), [(false, vec![0, 2], vec![1])]);
        assert_eq!(
            check(&[(Write, 1, 0), (Truncate, 0, 0), (Write, 2, 0)], LastWins),
            [(false, vec![], vec![0]), (true, vec![], vec![2])]
        );
    }

    #[test]
    fn a_write_that_leaves_columns_does_not_replace_a_wider_one() {
        use Mode::LastWins;
        assert_eq!(check(&[(Write, 1, 0), (Write, 1, 2)], LastWins), [(false, vec![], vec![0]), (false, vec![], vec![1])]);
        assert_eq!(check(&[(Write, 1, 2), (Write, 1, 0)], LastWins), [(false, vec![], vec![1])]);
    }

    #[test]
    fn appended_rows_are_all_kept() {
        assert_eq!(
            check(&[(Write, 1, 0), (Write, 1, 0), (Delete, 1, 0)], Mode::Append),
            [(false, vec![], vec![0, 1]), (false, vec![2], vec![])]
        );
    }
}
