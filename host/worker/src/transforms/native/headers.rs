//! `DropHeaders` and `InsertHeader`.

use millrace_record::RawConfig;
use millrace_record::config::{ConfigType, Default, Importance, Validator};
use millrace_record::convert::{SIMPLE_HEADER_CONVERTER, converter};
use millrace_record::row::{BatchWriter, Header, Row, RowBuf};

use super::{Definition, Each, Incoming, Make, key};

struct DropHeaders(Vec<String>);

pub(super) fn drop_headers() -> Definition {
    Definition {
        name: "DropHeaders",
        documentation: "Takes headers away from records.",
        keys: vec![
            key("headers", ConfigType::List, Default::Required, Importance::High, "The headers to take away.")
                .must(Validator::Distinct { empty: false }),
        ],
        make: Make::Whole(|settings, _| {
            let names = settings.names("headers");
            if names.is_empty() {
                let why = "Configuration 'headers' must not be empty. Valid values include: any non-empty value";
                return Err(("headers", why.into()));
            }
            Ok(Box::new(DropHeaders(names)))
        }),
    }
}

/// The record with its parts as they are; the headers are the caller's.
fn begin(record: &Incoming<'_>, out: &mut BatchWriter) {
    let meta = record.meta(out);
    out.begin(meta);
    record.record.value().into_iter().for_each(|v| out.value(v));
    record.record.key().into_iter().for_each(|k| out.key(k));
}

impl Each for DropHeaders {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let dropped = |h: &Header<'_>| self.0.iter().any(|n| n == h.name);
        if !record.record.headers().any(|h| dropped(&h)) {
            record.pass(out);
            return Ok(());
        }
        begin(&record, out);
        record.record.headers().filter(|h| !dropped(h)).for_each(|h| out.header(h));
        out.end();
        Ok(())
    }
}

/// The value is inferred once.
struct InsertHeader {
    name: String,
    schema: Option<u32>,
    row: Option<Vec<u8>>,
}

pub(super) fn insert_header() -> Definition {
    Definition {
        name: "InsertHeader",
        documentation: "Gives each record a header.",
        keys: vec![
            key("header", ConfigType::String, Default::Required, Importance::High, "The header's name.").must(Validator::NonNull),
            key(
                "value.literal",
                ConfigType::String,
                Default::Required,
                Importance::High,
                "The header's value; its type is read from how it is written.",
            )
            .must(Validator::NonNull),
        ],
        make: Make::Whole(|settings, schemas| {
            let wrong = |e: String| ("value.literal", e);
            let mut infer = converter(SIMPLE_HEADER_CONVERTER, false, &RawConfig::new(), schemas).map_err(wrong)?;
            let (mut rows, literal) = (RowBuf::new(), settings.required("value.literal"));
            let schema = infer.decode("", Some(literal.as_bytes()), &mut rows).map_err(|e| wrong(e.failed().message))?;
            Ok(Box::new(InsertHeader {
                name: settings.required("header").to_owned(),
                row: schema.is_some().then(|| rows.into_bytes()),
                schema: schema.flatten(),
            }))
        }),
    }
}

impl Each for InsertHeader {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        begin(&record, out);
        out.headers_from(&record.record);
        out.header(Header { name: &self.name, schema: self.schema, value: self.row.as_deref().and_then(Row::new) });
        out.end();
        Ok(())
    }
}
