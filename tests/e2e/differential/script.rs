//! The language of the `.http` files: requests in the order in which they are sent, one after the other.
//!
//! ```text
//! ### what this request is for
//! # until RUNNING           sent again until the answer's text holds it (several lines: all of them)
//! # while "offset":null     sent again as long as the text holds it
//! # differs: the reason     the answers are known not to be equal, and must not be
//! # message: the reason     only the text of `message` may differ
//! PUT /connectors/a/config
//! Accept: text/plain        further headers; a body is JSON unless one says otherwise
//!
//! {"the": "body"}
//! ```
//! `{{dir}}` stands for a folder of the worker's own, in requests and in what is compared.

use std::path::Path;

use anyhow::Context;

/// How two answers are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    Equal,
    /// All but `message`.
    ButMessage,
    /// Known not to be equal; the reason.
    Differs(String),
}

#[derive(Debug, Clone)]
pub struct Step {
    pub title: String,
    /// Line in the file, for messages.
    pub line: usize,
    pub until: Vec<String>,
    pub while_: Vec<String>,
    pub expect: Expect,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// The steps of a file.
pub fn read(file: &Path) -> anyhow::Result<Vec<Step>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut steps = Vec::new();
    let mut block: Vec<(usize, &str)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.starts_with("###") {
            steps.extend(step(&std::mem::take(&mut block)).with_context(|| file.display().to_string())?);
        }
        block.push((i + 1, line));
    }
    steps.extend(step(&block).with_context(|| file.display().to_string())?);
    Ok(steps)
}

fn step(block: &[(usize, &str)]) -> anyhow::Result<Option<Step>> {
    let mut lines = block.iter().peekable();
    let Some((line, title)) = lines.next_if(|(_, l)| l.starts_with("###")) else { return Ok(None) };
    let (mut until, mut while_, mut expect) = (Vec::new(), Vec::new(), Expect::Equal);
    while let Some((at, said)) = lines.next_if(|(_, l)| l.starts_with('#')) {
        let said = said.trim_start_matches('#').trim();
        if let Some(text) = said.strip_prefix("until ") {
            until.push(text.to_owned());
        } else if let Some(text) = said.strip_prefix("while ") {
            while_.push(text.to_owned());
        } else if let Some(why) = said.strip_prefix("differs: ") {
            expect = Expect::Differs(why.to_owned());
        } else if said.starts_with("message: ") {
            expect = Expect::ButMessage;
        } else {
            anyhow::bail!("line {at}: \"{said}\" is none of until, while, differs:, message:");
        }
    }
    let (at, request) = lines.next().with_context(|| format!("line {line}: no request"))?;
    let (method, path) = request.split_once(' ').with_context(|| format!("line {at}: no METHOD /path"))?;
    let mut headers = Vec::new();
    while let Some((at, header)) = lines.next_if(|(_, l)| !l.is_empty()) {
        let (name, value) = header.split_once(':').with_context(|| format!("line {at}: no Header: value"))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let body: Vec<_> = lines.map(|(_, l)| *l).collect();
    let body = body.join("\n").trim().to_owned();
    Ok(Some(Step {
        title: title.trim_start_matches('#').trim().to_owned(),
        line: *line,
        until,
        while_,
        expect,
        method: method.to_owned(),
        path: path.trim().to_owned(),
        headers,
        body: (!body.is_empty()).then_some(body),
    }))
}
