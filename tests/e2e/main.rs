//! The built worker with the real plugins, driven by REST and by Kafka clients only.

mod file_stream;
mod worker;
