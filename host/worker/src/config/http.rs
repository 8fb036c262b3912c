//! Settings of the REST server: its listeners, who may use it from a page of another origin, and the headers put on every
//! answer.

use std::net::{SocketAddr, ToSocketAddrs};

use axum::http::{HeaderName, HeaderValue};
use regex::Regex;

use super::reader::Reader;

/// Where the resources under `/admin` are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListeners {
    /// With all others.
    Shared,
    /// Nowhere.
    Off,
    /// There, and not with the others.
    Own(Vec<SocketAddr>),
}

/// `access.control.allow.origin` and `access.control.allow.methods`.
#[derive(Debug, Clone)]
pub struct CrossOrigin {
    origins: Vec<Regex>,
    /// For `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
}

/// What is allowed when `access.control.allow.methods` is not given.
const METHODS: &str = "GET,POST,HEAD";

impl CrossOrigin {
    /// None: no origin is allowed. An origin is a regular expression, or `*`.
    pub fn parse(origins: &str, methods: &str) -> Result<Option<Self>, String> {
        if origins.trim().is_empty() {
            return Ok(None);
        }
        let pattern = |origin: &str| match origin {
            "*" => Regex::new(""),
            origin => Regex::new(&format!("^(?:{origin})$")),
        };
        let origins = origins.split(',').map(str::trim).map(pattern).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        let methods: Vec<_> = methods.split(',').map(str::trim).filter(|m| !m.is_empty()).collect();
        let methods = if methods.is_empty() { METHODS.to_owned() } else { methods.join(",") };
        Ok(Some(CrossOrigin { origins, methods: HeaderValue::from_str(&methods).map_err(|e| e.to_string())? }))
    }

    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|o| o.is_match(origin))
    }
}

/// How a configured header gets onto an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Beside others of its name.
    Add,
    /// In the place of others of its name.
    Set,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderContent {
    Text(HeaderValue),
    /// The time of the answer, and so many milliseconds more.
    DateIn(i64),
}

/// One of `response.http.headers.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHeader {
    pub action: Action,
    pub name: HeaderName,
    pub content: HeaderContent,
}

/// `add Name: value, "set Name: a, b", setDate Name: 1000`: an element with commas in it stands in quotes.
pub fn response_headers(text: &str) -> Result<Vec<ResponseHeader>, String> {
    elements(text)?.iter().map(|element| response_header(element)).collect()
}

fn elements(text: &str) -> Result<Vec<String>, String> {
    let mut elements = Vec::new();
    let (mut element, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            c => element.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    elements.push(element);
    Ok(elements.iter().map(|e| e.trim().to_owned()).filter(|e| !e.is_empty()).collect())
}

fn response_header(element: &str) -> Result<ResponseHeader, String> {
    let form = || format!("\"{element}\" is not of the form \"[add|set|addDate|setDate] name: value\"");
    let (action, rest) = element.split_once(char::is_whitespace).ok_or_else(form)?;
    let (name, value) = rest.split_once(':').ok_or_else(form)?;
    let (name, value) = (name.trim(), value.trim());
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("\"{name}\" is not a header's name"))?;
    let text = || HeaderValue::from_str(value).map_err(|_| format!("\"{value}\" cannot be a header's value"));
    let date = || value.parse().map_err(|_| format!("\"{value}\" is not a number of milliseconds"));
    let (action, content) = match action.to_ascii_lowercase().as_str() {
        "add" => (Action::Add, HeaderContent::Text(text()?)),
        "set" => (Action::Set, HeaderContent::Text(text()?)),
        "adddate" => (Action::Add, HeaderContent::DateIn(date()?)),
        "setdate" => (Action::Set, HeaderContent::DateIn(date()?)),
        _ => return Err(form()),
    };
    Ok(ResponseHeader { action, name, content })
}

/// One listener, `http://host:port`.
pub fn listener(written: &str) -> Result<SocketAddr, String> {
    let (scheme, rest) = written.split_once("://").ok_or("write it as http://host:port")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err("this worker serves http only; put a proxy with TLS in front".to_owned());
    }
    address(rest.trim_end_matches('/'))
}

/// `host:port`; an empty host is every interface, as in Connect.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').ok_or("write it with a port, as in 127.0.0.1:8083")?;
    let port: u16 = port.parse().map_err(|_| format!("\"{port}\" is not a port; set 0 to 65535"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let mut found = (host, port).to_socket_addrs().map_err(|e| format!("host \"{host}\" is not known: {e}"))?;
    found.next().ok_or_else(|| format!("host \"{host}\" has no address"))
}

/// All listeners of a setting, each of which must be on loopback unless another word is given.
pub(super) fn listeners(read: &mut Reader, key: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for written in &read.list(key) {
        match listener(written) {
            Ok(address) if found.contains(&address) && address.port() != 0 => {
                read.wrong(key, format!("invalid value {written}: it is listed twice"));
            }
            Ok(address) if !address.ip().is_loopback() && !read.boolean("listeners.allow.unauthenticated") => read.wrong(
                key,
                format!(
                    "invalid value {written}: anyone who reaches it can change connectors and read their passwords; listen on 127.0.0.1, or set \"listeners.allow.unauthenticated=true\""
                ),
            ),
            Ok(address) => found.push(address),
            Err(why) => read.wrong(key, format!("invalid value {written}: {why}")),
        }
    }
    found
}

/// Given and empty, `admin.listeners` turns the resources under `/admin` off.
pub(super) fn admin_listeners(read: &mut Reader) -> AdminListeners {
    match read.raw.get("admin.listeners") {
        None => AdminListeners::Shared,
        Some(written) if written.trim().is_empty() => AdminListeners::Off,
        Some(_) => AdminListeners::Own(listeners(read, "admin.listeners")),
    }
}

pub(super) fn cross_origin(read: &mut Reader) -> Option<CrossOrigin> {
    let key = "access.control.allow.origin";
    let origins = read.text(key).unwrap_or_default();
    let methods = read.text("access.control.allow.methods").unwrap_or_default();
    CrossOrigin::parse(&origins, &methods).unwrap_or_else(|why| {
        read.wrong(key, format!("invalid value {origins}: {why}; list origins such as https://ui.example, or *"));
        None
    })
}

pub(super) fn headers(read: &mut Reader) -> Vec<ResponseHeader> {
    let key = "response.http.headers.config";
    let text = read.text(key).unwrap_or_default();
    response_headers(&text).unwrap_or_else(|why| {
        read.wrong(key, format!("invalid value {text}: {why}"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_connect_reads_them() {
        let text = r#"add X-One: 1, set x-two: a b,"set Cache-Control: no-cache, no-store", setDate Expires: 1000"#;
        let read = response_headers(text).unwrap();
        let shown: Vec<_> = read.iter().map(|h| (h.action, h.name.as_str())).collect();
        use Action::{Add, Set};
        assert_eq!(shown, [(Add, "x-one"), (Set, "x-two"), (Set, "cache-control"), (Set, "expires")]);
        assert_eq!(read[2].content, HeaderContent::Text(HeaderValue::from_static("no-cache, no-store")));
        assert_eq!(read[3].content, HeaderContent::DateIn(1000));
        assert_eq!(response_headers(" ").unwrap(), []);
        for wrong in ["X: 1", "put X: 1", "add X", "add X Y: 1", "setDate X: soon", "add \"X: 1"] {
            assert!(response_headers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_are_patterns() {
        let read = CrossOrigin::parse("http://a.example, https?://.*\\.b\\.example", "").unwrap().unwrap();
        assert!(read.allows("http://a.example") && read.allows("https://x.b.example"));
        assert!(!read.allows("http://a.example.evil") && !read.allows("http://c.example"));
        assert_eq!(read.methods, METHODS);
        assert!(CrossOrigin::parse("*", "GET, PUT").unwrap().unwrap().allows("http://anything"));
        assert!(CrossOrigin::parse("", "GET").unwrap().is_none());
        assert!(CrossOrigin::parse("[", "").is_err());
    }
}
