//! One of our parts against a real client or server.

mod broker;
