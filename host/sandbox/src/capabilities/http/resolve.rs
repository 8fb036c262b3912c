//! Names into addresses, and of those only the ones that may be reached. The connection is made to what comes out of here,
//! so what was checked is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::hosts::Hosts;

/// Who knows the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub(crate) struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|a| a.ip()).collect())
    }
}

/// A name that stands for no address which may be reached.
#[derive(Debug, thiserror::Error)]
#[error("{host} is {address}, which is not an address of the internet")]
pub(super) struct Inner {
    pub host: String,
    pub address: IpAddr,
}

/// A name that is not known.
#[derive(Debug, thiserror::Error)]
#[error("the name {host} cannot be resolved")]
pub(super) struct Unknown {
    host: String,
    #[source]
    source: std::io::Error,
}

/// Resolves for the connections of one port.
pub(super) struct Checked {
    pub resolver: Arc<dyn Resolver>,
    pub hosts: Arc<super::Allowed>,
    pub port: u16,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, hosts, port) = (self.resolver.clone(), self.hosts.clone(), self.port);
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = resolver.resolve(&host).await.map_err(|source| Unknown { host: host.clone(), source })?;
            let may = |address: &&IpAddr| hosts.lists().all(|list: &Hosts| list.reaches(&host, **address, port));
            let reached: Vec<SocketAddr> = found.iter().filter(may).map(|a| SocketAddr::new(*a, port)).collect();
            match found.first() {
                None => {
                    let source = std::io::Error::new(std::io::ErrorKind::NotFound, "it has no address");
                    Err(Unknown { host, source }.into())
                }
                Some(address) if reached.is_empty() => Err(Inner { host, address: *address }.into()),
                Some(_) => Ok(Box::new(reached.into_iter()) as Addrs),
            }
        })
    }
}
