//! What happens when things break: kill -9 of the worker, a database that is away, and afterwards every row is counted.

mod crash;
mod sink_down;
mod workload;
