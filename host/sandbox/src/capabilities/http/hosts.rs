//! Which hosts may be reached: the list of a configuration, and what kind of address a name may stand for.
//!
//! A name on the list allows its public addresses. An address that is not public (loopback, private, link-local and other
//! special ones) is reached only where the list has that address or its network, or `localhost` for loopback: whoever
//! controls a listed name's DNS cannot turn it against the worker's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most entries of a list.
const ENTRIES_MAX: usize = 1_000;

/// A wrong entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    #[error(
        "\"{0}\" is not a host: give a name, *.name, an address or a network such as 10.0.0.0/8, with :port where one is meant"
    )]
    Entry(String),
    #[error("it lists {0} hosts: give at most {ENTRIES_MAX}")]
    Many(usize),
}

/// A list of hosts, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    what: What,
    /// None: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Name(String),
    /// Names that end so, with the dot.
    Below(String),
    Network {
        base: IpAddr,
        bits: u8,
    },
}

impl Hosts {
    /// Reads a comma-separated list; empty: no host.
    pub fn parse(list: &str) -> Result<Hosts, HostsError> {
        let entries: Vec<&str> = list.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
        if entries.len() > ENTRIES_MAX {
            return Err(HostsError::Many(entries.len()));
        }
        entries
            .into_iter()
            .map(|e| Entry::parse(e).ok_or_else(|| HostsError::Entry(e.to_owned())))
            .collect::<Result<_, _>>()
            .map(Hosts)
    }

    /// Whether a URL may name this host. A name is in lower case, an address without brackets.
    pub fn names(&self, host: &str, port: u16) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => self.has_address(address, port),
            Err(_) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                self.at(port).any(|what| match what {
                    What::Name(name) => name == host,
                    What::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
                    What::Network { .. } => false,
                })
            }
        }
    }

    /// Whether a host that may be named may be this address.
    pub fn reaches(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let address = plain(address);
        let host = host.strip_suffix('.').unwrap_or(host);
        is_public(address)
            || self.has_address(address, port)
            || (address.is_loopback() && host == "localhost" && self.at(port).any(|w| *w == What::Name("localhost".into())))
    }

    /// The first entry of `other` that allows more than this list does.
    pub fn beyond(&self, other: &Hosts) -> Option<String> {
        let covered = |entry: &&Entry| !self.0.iter().any(|own| own.covers(entry));
        other.0.iter().find(covered).map(Entry::to_string)
    }

    fn has_address(&self, address: IpAddr, port: u16) -> bool {
        let address = plain(address);
        self.at(port).any(|what| matches!(what, What::Network { base, bits } if within(address, *base, *bits)))
    }

    fn at(&self, port: u16) -> impl Iterator<Item = &What> {
        self.0.iter().filter(move |e| e.port.is_none_or(|p| p == port)).map(|e| &e.what)
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Entry> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Entry { what: What::one(address), port: None });
        }
        if let Some((base, bits)) = text.split_once('/') {
            let (base, bits) = (base.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            let most = if base.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Entry { what: What::Network { base, bits }, port: None });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(number(port.strip_prefix(':')?)?) };
            return Some(Entry { what: What::one(address.parse::<Ipv6Addr>().ok()?.into()), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(number(port)?)),
            None => (text, None),
        };
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Some(Entry { what: What::one(address.into()), port });
        }
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let what = match host.strip_prefix('*') {
            Some(end) => What::Below(end.strip_prefix('.').filter(|n| is_name(n)).map(|_| end.to_owned())?),
            None => What::Name(Some(host.to_owned()).filter(|n| is_name(n))?),
        };
        Some(Entry { what, port })
    }

    fn covers(&self, other: &Entry) -> bool {
        let port = self.port.is_none() || self.port == other.port;
        port && match (&self.what, &other.what) {
            (What::Name(own), What::Name(name)) => own == name,
            (What::Below(end), What::Name(name)) => name.len() > end.len() && name.ends_with(end.as_str()),
            (What::Below(end), What::Below(other)) => other.ends_with(end.as_str()),
            (What::Network { base, bits }, What::Network { base: other, bits: narrower }) => {
                base.is_ipv4() == other.is_ipv4() && bits <= narrower && within(*other, *base, *bits)
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            What::Name(name) => f.write_str(name)?,
            What::Below(end) => write!(f, "*{end}")?,
            What::Network { base, bits } if *bits == if base.is_ipv4() { 32 } else { 128 } => match base {
                IpAddr::V6(v6) if self.port.is_some() => write!(f, "[{v6}]")?,
                _ => write!(f, "{base}")?,
            },
            What::Network { base, bits } => write!(f, "{base}/{bits}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl What {
    fn one(address: IpAddr) -> What {
        let base = plain(address);
        What::Network { base, bits: if base.is_ipv4() { 32 } else { 128 } }
    }
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|p| *p > 0)
}

fn is_name(name: &str) -> bool {
    let label =
        |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    // All digits and dots would be an address, and none was understood.
    name.len() <= 253 && name.split('.').all(label) && !name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// An IPv4 address that is written as an IPv6 one, as itself.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn within(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (a ^ b) >> (width - u32::from(bits)) == 0;
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

/// Of the internet at large, and of nobody's own network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            const SPECIAL: [(Ipv4Addr, u8); 15] = [
                (Ipv4Addr::new(0, 0, 0, 0), 8),
                (Ipv4Addr::new(10, 0, 0, 0), 8),
                (Ipv4Addr::new(100, 64, 0, 0), 10),
                (Ipv4Addr::new(127, 0, 0, 0), 8),
                (Ipv4Addr::new(169, 254, 0, 0), 16),
                (Ipv4Addr::new(172, 16, 0, 0), 12),
                (Ipv4Addr::new(192, 0, 0, 0), 24),
                (Ipv4Addr::new(192, 0, 2, 0), 24),
                (Ipv4Addr::new(192, 88, 99, 0), 24),
                (Ipv4Addr::new(192, 168, 0, 0), 16),
                (Ipv4Addr::new(198, 18, 0, 0), 15),
                (Ipv4Addr::new(198, 51, 100, 0), 24),
                (Ipv4Addr::new(203, 0, 113, 0), 24),
                (Ipv4Addr::new(224, 0, 0, 0), 4),
                (Ipv4Addr::new(240, 0, 0, 0), 4),
            ];
            !SPECIAL.iter().any(|(base, bits)| within(a.into(), (*base).into(), *bits))
        }
        IpAddr::V6(a) => {
            let s = a.segments();
            match s {
                // Translated to IPv4 on the way (NAT64, 6to4): what counts is where it ends.
                [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] | [0x2002, hi, lo, ..] => {
                    is_public(Ipv4Addr::from_bits(u32::from(hi) << 16 | u32::from(lo)).into())
                }
                [0x2001, 0xdb8, ..] => false,
                // Teredo and other special assignments.
                [0x2001, second, ..] if second < 0x200 => false,
                // Only this eighth of the space is given out as unicast addresses of the internet.
                [first, ..] => first & 0xe000 == 0x2000,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_allow_what_they_name() {
        let hosts =
            Hosts::parse("api.example.com, *.Example.org,shop.example.net:8443, 10.1.0.0/16, 127.0.0.1:8080, [::1]:9, localhost")
                .unwrap();
        let check = |host: &str, port: u16, expected: bool| assert_eq!(hosts.names(host, port), expected, "{host}:{port}");
        check("api.example.com", 443, true);
        check("api.example.com.", 1, true);
        check("evil-api.example.com", 443, false);
        check("example.org", 443, false);
        check("a.b.example.org", 80, true);
        check("notexample.org", 80, false);
        check("shop.example.net", 8443, true);
        check("shop.example.net", 443, false);
        check("10.1.255.3", 80, true);
        check("10.2.0.1", 80, false);
        check("::ffff:10.1.0.1", 80, true);
        check("127.0.0.1", 8080, true);
        check("127.0.0.1", 80, false);
        check("::1", 9, true);
        check("::1", 10, false);
        assert!(!Hosts::default().names("example.com", 80));
    }

    #[test]
    fn names_do_not_open_the_inner_network() {
        let hosts = Hosts::parse("api.example.com, localhost, inner.example.com, 10.0.0.0/8").unwrap();
        let check = |host: &str, address: &str, expected: bool| {
            assert_eq!(hosts.reaches(host, address.parse().unwrap(), 80), expected, "{host} at {address}");
        };
        check("api.example.com", "93.184.215.14", true);
        check("api.example.com", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", true);
        check("inner.example.com", "10.9.8.7", true);
        check("localhost", "127.0.0.1", true);
        check("localhost", "::1", true);
        check("localhost", "192.168.0.1", false);
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "192.168.1.1",
            "172.31.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:1::",
        ] {
            check("api.example.com", address, false);
        }
    }

    #[test]
    fn wrong_entries_are_named() {
        for wrong in [
            "http://a.example",
            "a b",
            "*",
            "*.",
            "a*.example",
            "a.example:",
            "a.example:0",
            "a.example:99999",
            "10.0.0.0/33",
            "1.2.3",
            "::1/129",
            "[::1",
            "a..b",
            "é.example",
        ] {
            assert_eq!(Hosts::parse(&format!("ok.example,{wrong}")), Err(HostsError::Entry(wrong.trim().into())));
        }
        assert_eq!(Hosts::parse(&"a,".repeat(1_001)), Err(HostsError::Many(1_001)));
        assert_eq!(Hosts::parse(" , "), Ok(Hosts::default()));
    }

    #[test]
    fn what_goes_beyond_is_named() {
        let policy = Hosts::parse("*.example.com, 10.0.0.0/8, localhost:80").unwrap();
        let check = |list: &str, beyond: Option<&str>| assert_eq!(policy.beyond(&Hosts::parse(list).unwrap()).as_deref(), beyond);
        check("a.example.com:443, *.b.example.com, 10.3.0.0/16, 10.1.1.1:80, localhost:80", None);
        check("a.example.com, example.com", Some("example.com"));
        check("localhost", Some("localhost"));
        check("0.0.0.0/0", Some("0.0.0.0/0"));
        check("[::1]:80", Some("[::1]:80"));
    }
}
