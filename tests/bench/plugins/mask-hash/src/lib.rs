//! For `scripts/bench.sh plugins`: masks an e-mail address and puts its SHA-256 into a new field.

use std::collections::HashMap;

use millrace_plugin::{
    Batch, BatchWriter, Column, ColumnData, ConfigKey, Error, Outcome, Packed, PluginInfo, Schema, TaskContext, Transform,
    export_transform, row, schema,
};

mod work;

export_transform!(MaskHash);

struct MaskHash {
    field: String,
    /// What goes into the new field in place of a hash, as bytes.
    constant: Option<[u8; 32]>,
    /// The whole records are written anew, in place of the two columns.
    rows: bool,
    plans: HashMap<u32, Option<work::Plan>>,
}

impl Transform for MaskHash {
    fn info() -> PluginInfo {
        PluginInfo::transform("mask-hash-bench", env!("CARGO_PKG_VERSION"))
            .doc("Masks an e-mail address and puts its SHA-256 beside it.")
            .key(ConfigKey::boolean("constant").default("false").doc("The new field is a constant: nothing is hashed."))
            .key(ConfigKey::boolean("rows").default("false").doc("Records are read and written whole, not by columns."))
            .key(ConfigKey::text("field").required().doc("The field that holds the address."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        let constant = ctx.config.bool("constant")?.then_some([0xab; 32]);
        let rows = ctx.config.bool("rows")?;
        Ok(MaskHash { constant, rows, field: ctx.config.required("field")?.to_owned(), plans: HashMap::new() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        if !self.rows {
            return self.columns(batch);
        }
        let rows = batch.rows()?;
        let mut out = BatchWriter::with_capacity(rows.bytes().len() + 100 * rows.len());
        let (field, plans) = (&self.field, &mut self.plans);
        let plan = |id: u32| match plans.get(&id) {
            Some(known) => Ok::<_, Error>(*known),
            None => {
                let of = schema::get(id)?;
                let found = match of.index(field) {
                    Some(at) => {
                        let slots = of.fields.len();
                        let mut with = (*of).clone();
                        with.fields
                            .push(schema::Field { name: format!("{field}_hash"), schema: Schema::text().optional().into() });
                        Some(work::Plan { field: at, slots, schema: schema::intern(&with.into())? })
                    }
                    None => None,
                };
                plans.insert(id, found);
                Ok(found)
            }
        };
        match self.constant {
            Some(constant) => work::apply(&rows, &mut out, plan, |_| constant)?,
            None => work::apply(&rows, &mut out, plan, hmac_sha256::Hash::hash)?,
        }
        Ok(Outcome::replace(out, (0..rows.len() as u32).collect()))
    }
}

impl MaskHash {
    fn columns(&self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let path = format!("value.{}", self.field);
        let addresses = batch.strings(&path)?;
        let made = match self.constant {
            Some(constant) => work::columns(addresses.iter(), addresses.size(), |_| constant),
            None => work::columns(addresses.iter(), addresses.size(), hmac_sha256::Hash::hash),
        };
        let masked = ColumnData::Packed(Packed { offsets: made.offsets, data: made.data });
        let digits = Column { path: format!("{path}_hash"), nulls: made.nulls.clone(), data: ColumnData::Texts(made.digits) };
        Ok(Outcome::set([Column { path, nulls: made.nulls, data: masked }, digits]))
    }
}
