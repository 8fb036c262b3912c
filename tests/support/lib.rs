//! Starts and stops what the suites need.
