//! The capability `http`: requests to the hosts that the configuration lists in `plugin.http.hosts`, for a transform in
//! `transforms.<alias>.http.hosts`. Names, sockets and TLS are the host's. These calls exist only inside the host: keep
//! logic apart from them to test it natively.
//!
//! ```no_run
//! # use millrace_plugin::{Error, http::Request};
//! # fn f() -> Result<(), Error> {
//! let answer = Request::post("https://api.example.com/orders").secret("authorization", "Bearer ", "api.token").body("{}").send()?;
//! if answer.status >= 500 {
//!     return Err(Error::retriable("orders.unavailable", format!("the API answered {}", answer.status)));
//! }
//! # Ok(()) }
//! ```

use std::time::Duration;

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::http as host;
pub use crate::bindings::host::millrace::plugin::http::{Credentials, HeaderValue, Request, Response, Secret};

impl Request {
    /// A request without headers and body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
            options: Vec::new(),
        }
    }
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderValue::Text(value.into())));
        self
    }
    /// Adds a header whose value is `prefix` and that of the configuration key `key` of type PASSWORD, which the plugin
    /// itself never sees.
    pub fn secret(mut self, name: impl Into<String>, prefix: impl Into<String>, key: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderValue::Secret(Secret { prefix: prefix.into(), key: key.into() })));
        self
    }
    /// Basic authentication with the password that the configuration key `password_key` has.
    pub fn basic(mut self, user: impl Into<String>, password_key: impl Into<String>) -> Self {
        let credentials = Credentials { user: user.into(), password_key: password_key.into() };
        self.headers.push(("authorization".into(), HeaderValue::Basic(credentials)));
        self
    }
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
    /// The most time for all of it; else 30 seconds.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(time.as_millis().try_into().unwrap_or(u32::MAX));
        self
    }
    /// How many redirects are followed, up to 5, which is also what it is without this.
    pub fn redirects(self, most: u8) -> Self {
        self.option("redirects", most)
    }
    /// The most bytes of the answer's body, up to 64 MiB; else 8 MiB.
    pub fn response_bytes(self, most: u64) -> Self {
        self.option("response-bytes", most)
    }
    fn option(mut self, name: &str, value: impl ToString) -> Self {
        self.options.push((name.into(), value.to_string()));
        self
    }
    /// Sends it and waits for the whole answer. A status of 400 and above is an answer.
    pub fn send(self) -> Result<Response, Error> {
        #[cfg(target_arch = "wasm32")]
        return host::send(&self);
        #[cfg(not(target_arch = "wasm32"))]
        Err(outside())
    }
}

impl Response {
    /// The first value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends up to 1000 requests, `concurrency` of them (1 to 32) at a time; the answers in their order.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn send_all(requests: &[Request], concurrency: u32) -> Result<Vec<Result<Response, Error>>, Error> {
    #[cfg(target_arch = "wasm32")]
    return host::send_all(requests, concurrency);
    #[cfg(not(target_arch = "wasm32"))]
    Err(outside())
}

#[cfg(not(target_arch = "wasm32"))]
fn outside() -> Error {
    Error::fatal("http.unavailable", "there is no host to send it: http works inside the host only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_was_asked() {
        let request = Request::post("https://a.example/")
            .header("accept", "text/plain")
            .secret("x-key", "Key ", "api.key")
            .basic("me", "api.password")
            .body("hello")
            .timeout(Duration::from_secs(2))
            .redirects(0)
            .response_bytes(10);
        assert_eq!((request.method.as_str(), request.headers.len(), request.timeout_ms), ("POST", 3, Some(2_000)));
        assert_eq!(request.options, [("redirects".into(), "0".into()), ("response-bytes".into(), "10".into())]);
        assert_eq!(request.send().unwrap_err().code, "http.unavailable");
    }
}
