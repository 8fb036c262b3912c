//! Kafka Connect's FileStream source: the lines of a file, each one record, as they are appended.

mod lines;
mod source;
#[cfg(test)]
mod tests;

millrace_plugin::export_source!(source::FileStreamSource);
