//! Adds what a service knows.

use std::collections::HashMap;

use millrace_plugin::http::{self, Request};
use millrace_plugin::{
    Batch, Column, ColumnData, ColumnStyle, ConfigKey, Error, Outcome, Patch, PluginInfo, RecordFailure, TaskContext, Transform,
    export_transform,
};

export_transform!(Enrich);

const KEPT_MAX: usize = 10_000;
const AT_ONCE: usize = 1_000;

struct Enrich {
    url: String,
    path: String,
    /// None: nobody knows it.
    known: HashMap<String, Option<String>>,
}

impl Transform for Enrich {
    fn info() -> PluginInfo {
        PluginInfo::transform("enrich-rust", env!("CARGO_PKG_VERSION"))
            .doc("Adds the country that a service knows.")
            .key(ConfigKey::text("url").required().doc("What the value is appended to."))
            .key(ConfigKey::text("field").required().doc("The field to look up."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        let path = format!("value.{}", ctx.config.required("field")?);
        Ok(Enrich { url: ctx.config.required("url")?.to_owned(), path, known: HashMap::new() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let ids = texts(batch.column(&self.path, ColumnStyle::Lists)?)?;
        if self.known.len() > KEPT_MAX {
            self.known.clear();
        }
        self.look_up(ids.iter().flatten())?;
        let (mut countries, mut nulls, mut failures) = (Vec::new(), vec![0; ids.len().div_ceil(8)], Vec::new());
        for (row, id) in ids.iter().enumerate() {
            let country = id.as_ref().and_then(|id| self.known.get(id).cloned());
            if country == Some(None) {
                failures.push(RecordFailure::poison(row, "enrich.unknown", "the service does not know it"));
            }
            let country = country.flatten();
            if country.is_none() {
                nulls[row / 8] |= 1 << (row % 8);
            }
            countries.push(country.unwrap_or_default());
        }
        let set = vec![Column { path: "value.country".to_owned(), nulls, data: ColumnData::Texts(countries) }];
        Ok(Outcome::patch(Patch { drop_rows: Vec::new(), remove_fields: Vec::new(), set }).failing(failures))
    }
}

impl Enrich {
    fn look_up<'a>(&mut self, ids: impl Iterator<Item = &'a String>) -> Result<(), Error> {
        let mut asked: Vec<&String> = ids.filter(|id| !self.known.contains_key(*id)).collect();
        asked.sort();
        asked.dedup();
        for asked in asked.chunks(AT_ONCE) {
            let requests: Vec<_> = asked.iter().map(|id| Request::get(format!("{}{id}", self.url))).collect();
            for (id, answer) in asked.iter().zip(http::send_all(&requests, 16)?) {
                let answer = answer?;
                let country = match answer.status {
                    200 => Some(country(&answer.body)?),
                    404 => None,
                    status => return Err(Error::retriable("enrich.unavailable", format!("the service answered {status}"))),
                };
                self.known.insert((*id).clone(), country);
            }
        }
        Ok(())
    }
}

fn country(body: &[u8]) -> Result<String, Error> {
    let wrong = |what: String| Error::retriable("enrich.unavailable", what);
    let body: serde_json::Value = serde_json::from_slice(body).map_err(|e| wrong(e.to_string()))?;
    body["country"].as_str().map(str::to_owned).ok_or_else(|| wrong("an answer without a country".to_owned()))
}

/// A column as texts; none: null.
fn texts(column: Column) -> Result<Vec<Option<String>>, Error> {
    let texts: Vec<String> = match column.data {
        ColumnData::Texts(texts) => texts,
        ColumnData::Int64s(numbers) => numbers.iter().map(i64::to_string).collect(),
        _ => return Err(Error::fatal("enrich.no-text", "the field is neither text nor whole number")),
    };
    let null = |row: usize| column.nulls.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1);
    Ok(texts.into_iter().enumerate().map(|(row, text)| (!null(row)).then_some(text)).collect())
}
