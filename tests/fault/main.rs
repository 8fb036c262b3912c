//! What happens when things break: kill -9 of the worker, and afterwards every row is counted.

mod crash;
mod workload;
