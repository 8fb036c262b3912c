//! The logging sink: a dry run. It takes everything, counts it, and says so in the worker's log.

mod sink;

millrace_plugin::export_sink!(sink::LoggingSink);
