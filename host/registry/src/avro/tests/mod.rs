use super::*;

mod changes;
mod model;
mod properties;

fn parse(text: &str) -> AvroSchema {
    AvroSchema::parse_new(text, &[]).expect(text)
}

fn refused(text: &str) -> String {
    AvroSchema::parse_new(text, &[]).expect_err(text).0
}
