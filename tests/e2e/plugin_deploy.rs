//! Components on their way to workers: deployed, signed, pushed to an OCI registry and pulled from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use millrace_tests::{Log, OciRegistry, Worker};
use serde_json::Value;

fn plugins() -> anyhow::Result<PathBuf> {
    Ok(Worker::binary()?.with_file_name("plugins"))
}

/// A worker without plugins.
async fn worker(settings: &str) -> anyhow::Result<(Worker, tempfile::TempDir)> {
    let path = tempfile::tempdir()?;
    let settings = format!("plugin.path={}\n{settings}", path.path().display());
    Ok((Worker::start_with(Log::Embedded, &settings).await?, path))
}

async fn millrace(args: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(Worker::binary()?);
    command.arg("plugin").args(args).env_remove("DOCKER_CONFIG").env("HOME", "/nonexistent");
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// What a command says that succeeds.
async fn done(args: &[&str]) -> anyhow::Result<String> {
    let output = millrace(args).await?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// What a command says that fails.
async fn refused(args: &[&str]) -> anyhow::Result<String> {
    let output = millrace(args).await?;
    ensure!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    Ok(String::from_utf8(output.stderr)?)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

async fn names(worker: &Worker) -> anyhow::Result<Vec<String>> {
    let (_, all) = worker.get("/plugins").await?;
    let uploaded = all.as_array().into_iter().flatten().filter(|p| p["source"] == "upload");
    Ok(uploaded.filter_map(|p| p["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_goes_through_a_registry_to_a_worker() -> anyhow::Result<()> {
    let (registry, (worker, _path)) = (OciRegistry::start().await?, worker("").await?);
    let place = format!("{}/team/file-stream-source:0.1.0", registry.address);
    let component = plugins()?.join("file-stream-source.wasm");
    let said = done(&["push", text(&component), &place, "--insecure"]).await?;
    ensure!(said.contains("pushed source file-stream 0.1.0"), "{said}");

    let out = tempfile::tempdir()?;
    let said = done(&["pull", &place, "--out", text(out.path()), "--insecure"]).await?;
    ensure!(said.contains("sha256:"), "{said}");
    ensure!(std::fs::read(out.path().join("file-stream.wasm"))? == std::fs::read(&component)?, "another component came back");
    let grants = std::fs::read_to_string(out.path().join("file-stream.grants"))?;
    ensure!(grants == std::fs::read_to_string(component.with_extension("grants"))?, "{grants}");
    // By the digest that was said, from now on.
    let digest = said.split_once("sha256:").and_then(|(_, d)| d.get(..64)).context("no digest")?;
    let exact = format!("{}/team/file-stream-source@sha256:{digest}", registry.address);

    let said = done(&["deploy", &format!("oci://{exact}"), "--insecure", "--url", &worker.rest]).await?;
    ensure!(said.contains("deployed source file-stream 0.1.0"), "{said}");
    ensure!(names(&worker).await? == ["file-stream"], "{:?}", names(&worker).await?);

    let missing = format!("{}/team/none:1", registry.address);
    let said = refused(&["pull", &missing, "--out", text(out.path()), "--insecure"]).await?;
    ensure!(said.contains(&missing) && said.contains("cannot pull"), "{said}");
    let said = refused(&["pull", &place, "--out", text(out.path())]).await?;
    ensure!(said.contains("--insecure"), "{said}");
    let said = refused(&["push", "Cargo.toml", &place, "--insecure"]).await?;
    ensure!(said.contains("Cargo.toml is refused"), "{said}");
    Ok(())
}

/// Makes a key pair with openssl; the files of the private and the public key.
fn keys(dir: &Path, name: &str, algorithm: &[&str]) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (private, public) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.pem")));
    openssl(&[&["genpkey", "-out", text(&private)], algorithm].concat())?;
    openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&public)])?;
    Ok((private, public))
}

fn openssl(args: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("openssl").args(args).output().context("openssl is part of what builds the worker")?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_asks_for_signatures_takes_nothing_else() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (ecdsa, ecdsa_public) = keys(dir.path(), "a", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])?;
    let (edwards, edwards_public) = keys(dir.path(), "b", &["-algorithm", "ed25519"])?;
    let (other, _) = keys(dir.path(), "c", &["-algorithm", "ed25519"])?;
    let trusted = format!("{},{}", ecdsa_public.display(), edwards_public.display());
    let (worker, _path) = worker(&format!("plugin.upload.require.signature=true\nplugin.upload.keys={trusted}\n")).await?;

    let component = plugins()?.join("mask-email.wasm");
    let signed = |key: &Path| {
        let signature = match key == ecdsa {
            true => openssl(&["dgst", "-sha256", "-sign", text(key), text(&component)])?,
            false => openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", text(key), "-in", text(&component)])?,
        };
        let (raw, file) = (dir.path().join("raw"), key.with_extension("sig"));
        std::fs::write(&raw, signature)?;
        std::fs::write(&file, openssl(&["base64", "-in", text(&raw)])?)?;
        anyhow::Ok(file)
    };
    let deploy = ["deploy", text(&component), "--url", &worker.rest];
    let said = refused(&deploy).await?;
    ensure!(said.contains("plugin.upload.require.signature") && said.contains("--signature"), "{said}");
    let foreign = signed(&other)?;
    let said = refused(&[&deploy[..], &["--signature", text(&foreign)]].concat()).await?;
    ensure!(said.contains("not signed with any key that this worker trusts"), "{said}");
    std::fs::write(&foreign, "no base 64!")?;
    let said = refused(&[&deploy[..], &["--signature", text(&foreign)]].concat()).await?;
    ensure!(said.contains("base 64"), "{said}");
    ensure!(names(&worker).await?.is_empty(), "{:?}", names(&worker).await?);
    for key in [&ecdsa, &edwards] {
        let file = signed(key)?;
        let said = done(&[&deploy[..], &["--signature", text(&file)]].concat()).await?;
        ensure!(said.contains("deployed transformation mask-email 0.1.0"), "{said}");
    }
    let (_, versions) = worker.get("/plugins/mask-email/versions").await?;
    ensure!(versions.as_array().map(Vec::len) == Some(1), "{versions}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deployed_is_said() -> anyhow::Result<()> {
    let (worker, _path) = worker("").await?;
    let said = refused(&["deploy", "none.wasm", "--url", &worker.rest]).await?;
    ensure!(said.contains("cannot read none.wasm"), "{said}");
    let said = refused(&["deploy", "Cargo.toml", "--url", &worker.rest]).await?;
    ensure!(said.contains("not a plugin"), "{said}");
    let component = plugins()?.join("mask-email.wasm");
    let said = refused(&["deploy", text(&component), "--url", "http://127.0.0.1:9"]).await?;
    ensure!(said.contains("no worker answers at http://127.0.0.1:9"), "{said}");
    let said = refused(&["deploy", "oci://mask-email:1", "--url", &worker.rest]).await?;
    ensure!(said.contains("names no registry"), "{said}");
    let signature = tempfile::NamedTempFile::new()?;
    std::fs::write(signature.path(), "AAAA")?;
    let said = refused(&["deploy", text(&component), "--url", &worker.rest, "--signature", text(signature.path())]).await?;
    ensure!(said.contains("plugin.upload.keys"), "{said}");
    let (_, all) = worker.get("/plugins").await?;
    ensure!(all.as_array().is_some_and(|a: &Vec<Value>| a.iter().all(|p| p["source"] == "built-in")), "{all}");
    Ok(())
}
