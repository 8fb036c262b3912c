//! `docs/first-transform.md`, followed to the letter in an empty directory.

use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, ensure};
use millrace_tests::{Worker, root};

/// The code blocks of a language, in their order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    let block = |rest: &'a str| rest.split_once("\n```").map(|(block, _)| block);
    page.split(&open).skip(1).filter_map(block).collect()
}

#[test]
fn the_guide_leads_to_a_changed_record() -> anyhow::Result<()> {
    // A guide names the ports that people will see, which are those of a worker without settings.
    for port in [8081, 8083, 9092] {
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("the guide's worker needs port {port} of this machine"))?;
    }
    let page = std::fs::read_to_string(root().join("docs/first-transform.md"))?;
    let (steps, shown) = (blocks(&page, "sh"), blocks(&page, "text"));
    ensure!(steps.len() == 5 && shown.len() == 1, "{} and {} blocks", steps.len(), shown.len());
    // What people type at the end, they type however it went.
    let script = format!("set -e\ntrap 'kill $(jobs -p) && wait' EXIT\n{}\n", steps.join("\n"));
    let dir = tempfile::tempdir()?;
    let path = std::env::join_paths(
        Worker::binary()?
            .parent()
            .map(std::path::Path::to_owned)
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )?;
    let output = Command::new("bash").arg("-c").arg(script).current_dir(dir.path()).env("PATH", path).output()?;
    let (said, log) =
        (String::from_utf8_lossy(&output.stdout), std::fs::read_to_string(dir.path().join("hide-email/worker.log")));
    let all = || format!("{said}\n{}\n{}", String::from_utf8_lossy(&output.stderr), log.unwrap_or_default());
    ensure!(output.status.success(), "{}: {}", output.status, all());
    ensure!(said.trim_end().ends_with(shown[0]), "{}", all());
    ensure!(said.contains("2 passed") || said.contains("1 passed, 0 failed"), "{}", all());
    Ok(())
}
