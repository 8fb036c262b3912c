//! `/contexts/.eu/subjects/orders` is `/subjects/:.eu:orders`: a client with such a base address works in one context.

use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Rewrites the path, and drops one slash at its end.
pub fn unfold(uri: &mut Uri) {
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let query = uri.query().unwrap_or_default();
    let unfolded = unfolded(path, query);
    let (path, query) = unfolded.as_ref().map_or((path, query), |(p, q)| (p.as_str(), q.as_str()));
    let path = if path.is_empty() { "/" } else { path };
    let written = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    // What was a path before is one still.
    if let Ok(new) = written.parse() {
        *uri = new;
    }
}

fn unfolded(path: &str, query: &str) -> Option<(String, String)> {
    let (context, rest) = path.strip_prefix("/contexts/")?.split_once('/')?;
    let context = percent_decode_str(context).decode_utf8().ok()?;
    let context = context.trim_matches(':');
    let mark = utf8_percent_encode(&format!(":{context}:"), NON_ALPHANUMERIC).to_string();
    let (first, behind) = rest.split_once('/').map_or((rest, None), |(first, behind)| (first, Some(behind)));
    let path = match (first, behind) {
        ("config" | "mode", None) => format!("/{first}/{mark}"),
        ("config" | "mode" | "subjects", Some(subject)) => format!("/{first}/{}", marked(&mark, subject)),
        ("compatibility", Some(behind)) => {
            format!("/compatibility/subjects/{}", marked(&mark, behind.strip_prefix("subjects/")?))
        }
        ("subjects" | "schemas", None) => return Some((format!("/{first}"), parameter(query, "subjectPrefix", &mark))),
        ("schemas", Some(_)) => return Some((format!("/{rest}"), parameter(query, "subject", &mark))),
        _ => format!("/{rest}"),
    };
    Some((path, query.to_owned()))
}

/// The subject at the beginning of a path, in the context unless it names one.
fn marked(mark: &str, path: &str) -> String {
    let named = percent_decode_str(path).decode_utf8_lossy().starts_with(":.");
    if named { path.to_owned() } else { format!("{mark}{path}") }
}

fn parameter(query: &str, name: &str, mark: &str) -> String {
    let mut found = false;
    let mut pairs: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        match pair.split_once('=') {
            Some((key, value)) if key == name => {
                found = true;
                pairs.push(format!("{name}={}", marked(mark, value)));
            }
            _ => pairs.push(pair.to_owned()),
        }
    }
    if !found {
        pairs.push(format!("{name}={mark}"));
    }
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_context() {
        let check = |from: &str, to: &str| {
            let mut uri: Uri = from.parse().unwrap();
            unfold(&mut uri);
            assert_eq!(percent_decode_str(&uri.to_string()).decode_utf8_lossy(), to, "{from}");
        };
        check("/contexts/.eu/subjects/a/versions?deleted=true", "/subjects/:.eu:a/versions?deleted=true");
        check("/contexts/.eu/subjects/%3A.us%3Aa", "/subjects/:.us:a");
        check("/contexts/:.eu:/subjects", "/subjects?subjectPrefix=:.eu:");
        check("/contexts/.eu/schemas/ids/3?fetchMaxId=true", "/schemas/ids/3?fetchMaxId=true&subject=:.eu:");
        check("/contexts/.eu/schemas/ids/3?subject=a", "/schemas/ids/3?subject=:.eu:a");
        check("/contexts/.eu/config", "/config/:.eu:");
        check("/contexts/.eu/compatibility/subjects/a/versions/1", "/compatibility/subjects/:.eu:a/versions/1");
        check("/contexts/", "/contexts");
        check("/contexts/.eu", "/contexts/.eu");
        check("/subjects/", "/subjects");
        check("/", "/");
    }
}
