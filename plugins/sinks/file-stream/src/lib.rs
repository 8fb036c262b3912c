//! Kafka Connect's FileStream sink: each record's value, as text, a line of a file.

mod sink;
#[cfg(test)]
mod tests;
mod text;

millrace_plugin::export_sink!(sink::FileStreamSink);
