//! What happens when things break: everything is counted afterwards. README.md says how.

mod campaign;
mod crash;
mod one_writer;
mod redrive;
mod reversed;
mod sink_down;
mod workload;
