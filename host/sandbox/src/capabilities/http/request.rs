//! A guest's request, checked and bounded, with its secrets put in.

use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::bindings::http::{HeaderValue as Given, Request};
use crate::bindings::types::{Error, ErrorKind};
use crate::capabilities::secrets::password;
use crate::state::Owner;
use crate::wit::error;

const URL_BYTES_MAX: usize = 8 << 10;
const METHOD_BYTES_MAX: usize = 32;
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 16 << 20;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
const REDIRECTS_MAX: u8 = 5;
const RESPONSE_BYTES_DEFAULT: u64 = 8 << 20;
const RESPONSE_BYTES_MAX: u64 = 64 << 20;

/// Headers that say how a connection is used or which host is meant: the host's alone.
const RESERVED: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "proxy-connection",
    "http2-settings",
];

/// What is sent.
pub(super) struct Checked {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// Those that hold secrets, which stay behind when the origin is left.
    pub secret: Vec<HeaderName>,
    pub body: bytes::Bytes,
    pub timeout: Duration,
    pub redirects: u8,
    pub response_bytes: u64,
}

impl Checked {
    pub fn new(request: Request, owner: &Owner) -> Result<Checked, Error> {
        let Request { method, url, headers, body, timeout_ms, options } = request;
        if method.len() > METHOD_BYTES_MAX {
            return Err(wrong(format!("its method has {} bytes: give at most {METHOD_BYTES_MAX}", method.len())));
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong(format!("its method {method:?} is none")))?;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(wrong(format!("its method is {method}, which is not offered")));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(large(format!("its body has {} bytes: send at most {BODY_BYTES_MAX}", body.len())));
        }
        if owner.services.dry_run && method != Method::GET && method != Method::HEAD {
            return Err(error::dry_run("http", format_args!("the method {method}")));
        }
        let url = checked_url(&url)?;
        let (headers, secret) = checked_headers(headers, owner)?;
        let (mut redirects, mut response_bytes) = (REDIRECTS_MAX, RESPONSE_BYTES_DEFAULT);
        for (name, value) in options.iter().take(HEADERS_MAX) {
            let number = |most: u64| match value.parse::<u64>() {
                Ok(n) if n <= most => Ok(n),
                _ => Err(wrong(format!("its option \"{name}\" is {:?}: give a whole number from 0 to {most}", cut(value)))),
            };
            match name.as_str() {
                "redirects" => redirects = number(REDIRECTS_MAX.into())?.try_into().unwrap_or(REDIRECTS_MAX),
                "response-bytes" => response_bytes = number(RESPONSE_BYTES_MAX)?,
                _ => {
                    return Err(wrong(format!(
                        "its option {:?} is not known: there are \"redirects\" and \"response-bytes\"",
                        cut(name)
                    )));
                }
            }
        }
        let timeout = timeout_ms.map_or(TIMEOUT_DEFAULT, |ms| Duration::from_millis(ms.into()).min(TIMEOUT_MAX));
        Ok(Checked { method, url, headers, secret, body: body.into(), timeout, redirects, response_bytes })
    }

    /// Makes it the request that a redirect asks for.
    pub fn redirect(&mut self, status: u16, to: Url) {
        let drops_body = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if drops_body {
            self.method = Method::GET;
            self.body = bytes::Bytes::new();
            for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION] {
                self.headers.remove(name);
            }
        }
        if self.url.origin() != to.origin() {
            for name in self.secret.drain(..).chain([header::AUTHORIZATION, header::COOKIE]) {
                self.headers.remove(name);
            }
        }
        self.url = to;
    }
}

fn checked_url(text: &str) -> Result<Url, Error> {
    if text.len() > URL_BYTES_MAX {
        return Err(large(format!("its URL has {} bytes: give at most {URL_BYTES_MAX}", text.len())));
    }
    let url = Url::parse(text).map_err(|e| wrong(format!("its URL is none: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("its URL has the scheme {:?}: give http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("its URL holds a user or password: give credentials as a header"));
    }
    Ok(url)
}

fn checked_headers(given: Vec<(String, Given)>, owner: &Owner) -> Result<(HeaderMap, Vec<HeaderName>), Error> {
    if given.len() > HEADERS_MAX {
        return Err(large(format!("it has {} headers: give at most {HEADERS_MAX}", given.len())));
    }
    let (mut headers, mut secrets, mut total) = (HeaderMap::new(), Vec::new(), 0);
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) {
            return Err(wrong(format!("it sets the header \"{lower}\", which is the host's: leave it out")));
        }
        let parsed = HeaderName::from_bytes(lower.as_bytes())
            .map_err(|_| wrong(format!("it has a header of the name {:?}", cut(&name))))?;
        let is_secret = !matches!(value, Given::Text(_));
        let value = match value {
            Given::Text(text) => text,
            Given::Secret(secret) => secret.prefix + password(owner, "http", &secret.key)?,
            Given::Basic(basic) => {
                use base64::Engine;
                if basic.user.contains(':') {
                    return Err(wrong("its basic credentials have a user with a colon, which cannot be sent"));
                }
                let pair = format!("{}:{}", basic.user, password(owner, "http", &basic.password_key)?);
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
        };
        total += parsed.as_str().len() + value.len();
        if total > HEADER_BYTES_MAX {
            return Err(large(format!("its headers have more than {HEADER_BYTES_MAX} bytes")));
        }
        let mut value = HeaderValue::from_str(&value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .map_err(|_| wrong(format!("its header \"{lower}\" has a value with control characters")))?;
        if is_secret {
            value.set_sensitive(true);
            secrets.push(parsed.clone());
        }
        headers.append(parsed, value);
    }
    Ok((headers, secrets))
}

/// The start of what a guest wrote, for a message.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(100)]
}

pub(super) fn wrong(what: impl std::fmt::Display) -> Error {
    error::new(ErrorKind::Fatal, "http.invalid-request", format!("cannot send the request: {what}"))
}

fn large(what: String) -> Error {
    error::new(ErrorKind::Fatal, "http.request-too-large", format!("cannot send the request: {what}"))
}
