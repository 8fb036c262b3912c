//! From a target to a connection that is ready for a query: address, TLS, start-up, authentication.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use bytes::Bytes;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use super::target::{SslMode, Target};
use super::wire::{Socket, Wire, message, text};
use super::{failure, tls};
use crate::bindings::types::Error;
use crate::wit::error;

const PROTOCOL_3_0: u32 = 196_608;
const SSL_REQUEST: u32 = 80_877_103;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Connects, within the target's time-out.
pub(super) async fn connect(target: Arc<Target>, replication: bool) -> Result<Wire, Error> {
    let within = target.connect_timeout;
    match tokio::time::timeout(within, start(target.clone(), replication)).await {
        Ok(connected) => connected,
        Err(_) => {
            let late = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", within.as_secs()));
            Err(failure::unreachable(&target, &late))
        }
    }
}

/// Asks the server to give up what a connection is doing.
pub(super) async fn cancel(target: &Arc<Target>, (process, key): (i32, i32)) -> Result<(), Error> {
    let asked = async {
        let mut wire = Wire::new(socket(target).await?.0, target.clone());
        let mut request = Vec::with_capacity(16);
        for n in [16, CANCEL_REQUEST, process as u32, key as u32] {
            request.extend_from_slice(&n.to_be_bytes());
        }
        wire.send(&request).await
    };
    match tokio::time::timeout(target.connect_timeout, asked).await {
        Ok(asked) => asked,
        Err(_) => Err(failure::unreachable(target, &io::ErrorKind::TimedOut.into())),
    }
}

async fn start(target: Arc<Target>, replication: bool) -> Result<Wire, Error> {
    let (socket, tcp) = socket(&target).await?;
    let mut wire = Wire::new(socket, target.clone()).over_tcp(tcp);
    wire.send(&startup(&target, replication)).await?;
    authenticate(&mut wire, &target).await?;
    loop {
        match wire.message().await? {
            (b'K', body) if body.len() >= 8 => {
                let n = |at: usize| i32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
                wire.cancel = Some((n(0), n(4)));
            }
            (b'Z', _) => return Ok(wire),
            (b'E', body) => return Err(failure::refused(&target, &body)),
            (tag, _) => return Err(unexpected(&target, tag)),
        }
    }
}

fn startup(target: &Target, replication: bool) -> Vec<u8> {
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    let schema = target.schema.as_ref().map(|s| format!("-c search_path={}", s.replace('\\', "\\\\").replace(' ', "\\ ")));
    let parameters = [
        ("user", Some(target.user.as_str())),
        ("database", Some(target.database.as_str())),
        ("application_name", Some(target.application_name.as_str())),
        ("client_encoding", Some("UTF8")),
        ("options", schema.as_deref()),
        ("replication", replication.then_some("database")),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            text(&mut body, name);
            text(&mut body, value);
        }
    }
    body.push(0);
    [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

/// A socket to the target, with TLS on it where its mode asks for that; and the descriptor of the TCP socket under it.
async fn socket(target: &Arc<Target>) -> Result<(Box<dyn Socket>, Option<RawFd>), Error> {
    let failed = |e: io::Error| failure::unreachable(target, &e);
    if target.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
        return Ok((Box::new(UnixStream::connect(path).await.map_err(failed)?), None));
    }
    let plain = tcp(target).await.map_err(failed)?;
    let tcp = Some(plain.as_raw_fd());
    if target.sslmode == SslMode::Disable {
        return Ok((Box::new(plain), tcp));
    }
    let mut wire = Wire::new(Box::new(plain), target.clone());
    wire.send(&[8u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat()).await?;
    match wire.byte().await.map_err(failed)? {
        b'S' => {}
        b'N' if target.sslmode == SslMode::Prefer => return Ok((wire.into_socket(), tcp)),
        b'N' => {
            return Err(error::config(
                "postgres.tls",
                target.key("sslmode"),
                format!(
                    "{target} offers no TLS; enable it there (ssl = on), or set {} to prefer or disable",
                    target.quoted("sslmode")
                ),
            ));
        }
        other => return Err(failure::protocol(target, format_args!("the byte {other} to the request for TLS"))),
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|_| {
        error::config("postgres.tls", target.key("host"), format!("\"{}\" is not a name that TLS can check", target.host))
    })?;
    let tls = tls::connector(target)?.connect(name, wire.into_socket()).await.map_err(|e| {
        let message = format!(
            "cannot agree on TLS with {target}: {e}; check {} and {}",
            target.quoted("sslmode"),
            target.quoted("sslrootcert")
        );
        if e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            error::config("postgres.tls", target.key("sslmode"), message)
        } else {
            failure::lost(target, &e)
        }
    })?;
    Ok((Box::new(tls), tcp))
}

async fn tcp(target: &Target) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((target.host.as_str(), target.port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_keepalive(true)?;
        match socket.connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn authenticate(wire: &mut Wire, target: &Target) -> Result<(), Error> {
    loop {
        let body = match wire.message().await? {
            (b'R', body) if body.len() >= 4 => body,
            (b'E', body) => return Err(failure::refused(target, &body)),
            (tag, _) => return Err(unexpected(target, tag)),
        };
        let (method, data) = (u32::from_be_bytes([body[0], body[1], body[2], body[3]]), body.slice(4..));
        match method {
            0 => return Ok(()),
            3 => {
                let password = String::from_utf8_lossy(password(target)?).into_owned();
                wire.send(&message(b'p', |m| text(m, &password))).await?;
            }
            5 => {
                let salt = data.get(..4).and_then(|s| s.try_into().ok()).ok_or_else(|| unexpected(target, b'R'))?;
                let hash = md5_hash(target.user.as_bytes(), password(target)?, salt);
                wire.send(&message(b'p', |m| text(m, &hash))).await?;
            }
            10 => scram(wire, target, &data).await?,
            other => {
                return Err(error::config(
                    "postgres.authentication",
                    target.key("user"),
                    format!(
                        "{target} wants the authentication method {other}, which is not spoken here; allow scram-sha-256 for the user in pg_hba.conf"
                    ),
                ));
            }
        }
    }
}

async fn scram(wire: &mut Wire, target: &Target, mechanisms: &[u8]) -> Result<(), Error> {
    const MECHANISM: &str = "SCRAM-SHA-256";
    if !mechanisms.split(|b| *b == 0).any(|m| m == MECHANISM.as_bytes()) {
        return Err(failure::protocol(target, "no SASL mechanism that is spoken here"));
    }
    let failed = |e: io::Error| failure::protocol(target, format_args!("a SCRAM message that is wrong: {e}"));
    let mut scram = ScramSha256::new(password(target)?, ChannelBinding::unsupported());
    let first = message(b'p', |m| {
        text(m, MECHANISM);
        m.extend_from_slice(&(scram.message().len() as u32).to_be_bytes());
        m.extend_from_slice(scram.message());
    });
    wire.send(&first).await?;
    let challenge = sasl(wire, target, 11).await?;
    scram.update(&challenge).map_err(failed)?;
    wire.send(&message(b'p', |m| m.extend_from_slice(scram.message()))).await?;
    let outcome = sasl(wire, target, 12).await?;
    scram.finish(&outcome).map_err(failed)
}

async fn sasl(wire: &mut Wire, target: &Target, step: u32) -> Result<Bytes, Error> {
    match wire.message().await? {
        (b'R', body) if body.get(..4) == Some(&step.to_be_bytes()) => Ok(body.slice(4..)),
        (b'E', body) => Err(failure::refused(target, &body)),
        (tag, _) => Err(unexpected(target, tag)),
    }
}

fn password(target: &Target) -> Result<&[u8], Error> {
    target.password.as_ref().map(|p| p.bytes()).ok_or_else(|| {
        error::config(
            "postgres.no-password",
            target.key("password"),
            format!("{target} wants a password for the user \"{}\": set {}", target.user, target.quoted("password")),
        )
    })
}

fn unexpected(target: &Target, tag: u8) -> Error {
    failure::protocol(target, format_args!("an unexpected message \"{}\"", tag.escape_ascii()))
}
