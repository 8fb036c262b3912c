//! `alerts`: what plugins tell people.

use crate::alerts::TableChange;
use crate::bindings::alerts::{Host, TableChange as Told};
use crate::state::State;

impl Host for State {
    fn table_changed(&mut self, change: Told) -> wasmtime::Result<()> {
        let Told { table, topic, position, statement, changes } = change;
        let connector = self.owner.connector.clone();
        let change = TableChange { connector, table, topic, position, statement, changes };
        if !self.alerts.tell(self.owner.task, change) {
            tracing::warn!(plugin = %self.owner.plugin, "plugin tells of more changes than are taken; some are left out");
        }
        Ok(())
    }
}
