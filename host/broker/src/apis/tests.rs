//! Every request in every version offered is answered with bytes that a client can decode.

use super::*;
use crate::broker::open;
use crate::config::BrokerConfig;
use bytes::BufMut;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// A broker without connections that knows one topic, `orders`.
pub struct Bench {
    runtime: tokio::runtime::Runtime,
    shared: Arc<Shared>,
    _data_dir: crate::data_dir::DataDir,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (_, stopping) = tokio::sync::watch::channel(false);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let (shared, data_dir) = open(BrokerConfig::new(dir.path()), address, stopping).unwrap();
        shared.topics.create("orders", 2, BTreeMap::new(), false).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, shared, _data_dir: data_dir, _dir: dir }
    }

    /// Handles what follows the first eight bytes of a frame, and decodes the answer as a client would.
    pub fn answer(&self, key: i16, version: i16, rest: &[u8]) {
        let at = format!("API {key} version {version}");
        let mut frame = BytesMut::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.extend_from_slice(rest);
        let (client_id, request) = decode(key, version, frame.freeze()).unwrap_or_else(|error| panic!("{at}: {error}"));
        let context = Context { shared: &self.shared, version, client_id: &client_id, host: "/127.0.0.1" };
        let mut out = BytesMut::new();
        match self.runtime.block_on(handle(&context, request)) {
            Reply::None => return,
            Reply::Message(response) => {
                encode(key, version, &response, &mut out).unwrap_or_else(|error| panic!("{at}: {error}"));
                if ApiKey::try_from(key).unwrap().response_header_version(version) == 1 {
                    out = out.split_off(1);
                }
            }
            Reply::Records(parts) => parts.iter().for_each(|part| out.extend_from_slice(&part.head)),
        }
        let mut bytes = out.freeze();
        let api = ApiKey::try_from(key).unwrap();
        ResponseKind::decode(api, &mut bytes, version).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(bytes.is_empty(), "{at}: {} bytes too many", bytes.len());
    }
}
