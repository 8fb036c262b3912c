//! `millrace plugin push` and `pull`: components in an OCI registry.
//!
//! A component is one layer of the type `application/wasm` under a configuration `application/vnd.wasm.config.v0+json`, as the
//! CNCF's layout of Wasm artifacts has it, so that other tools for such artifacts read it too. What an author asks for is in the
//! annotation [`GRANTS`] of the manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::host::{Host, noun};
use super::install::Installer;
use super::languages::Artifact;

const LAYER: &str = "application/wasm";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Capabilities that the component asks for, separated by commas.
const GRANTS: &str = "millrace.grants";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// Where the password of `--username` is.
const PASSWORD: &str = "MILLRACE_REGISTRY_PASSWORD";

/// How a registry is reached.
#[derive(Debug, clap::Args)]
pub struct Access {
    /// Reach the registry by plain HTTP.
    #[arg(long)]
    insecure: bool,
    /// The user at the registry, whose password is in MILLRACE_REGISTRY_PASSWORD [default: what "docker login" has kept].
    #[arg(long)]
    username: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: millrace plugin push mask-email.wasm ghcr.example/team/mask-email:1.2.0")]
pub struct Push {
    /// The component; NAME.grants beside it goes with it.
    file: PathBuf,
    /// Where it goes: HOST[:PORT]/NAME:TAG.
    reference: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: millrace plugin pull ghcr.example/team/mask-email:1.2.0 --out /srv/plugins")]
pub struct Pull {
    /// Where it is: HOST[:PORT]/NAME:TAG, or HOST[:PORT]/NAME@sha256:DIGEST.
    reference: String,
    /// The directory for NAME.wasm and NAME.grants, such as one of a worker's plugin.path.
    #[arg(long, default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    access: Access,
}

/// A component as a registry has it.
pub struct Fetched {
    pub component: Bytes,
    grants: Vec<String>,
    digest: String,
}

impl Push {
    pub fn run(self) -> anyhow::Result<()> {
        let scratch = tempfile::tempdir()?;
        let plugin =
            Host::new(scratch.path())?.load(&self.file).with_context(|| format!("{} is refused", self.file.display()))?;
        let info = plugin.info();
        let component = std::fs::read(&self.file)?;
        let grants = std::fs::read_to_string(self.file.with_extension("grants")).unwrap_or_default();
        let grants: Vec<&str> = grants.split_ascii_whitespace().collect();
        let digest = format!("sha256:{}", hex(&Sha256::digest(&component)));
        let config = json!({
            "architecture": "wasm", "os": "wasip2", "layerDigests": [digest],
            "component": {"target": format!("millrace:plugin/{}-plugin", noun(info.kind))},
        });
        let mut annotations = BTreeMap::from([(TITLE.to_owned(), info.name.clone()), (VERSION.to_owned(), info.version.clone())]);
        if !grants.is_empty() {
            annotations.insert(GRANTS.to_owned(), grants.join(","));
        }
        let layers = [ImageLayer::new(component, LAYER.to_owned(), None)];
        let config = Config::new(serde_json::to_vec(&config)?, CONFIG.to_owned(), None);
        let manifest = OciImageManifest::build(&layers, &config, Some(annotations));
        let reference = parse(&self.reference)?;
        let pushed = crate::cli::runtime(1)?.block_on(async {
            let (client, auth) = self.access.client(&reference)?;
            client.push(&reference, &layers, config, &auth, Some(manifest)).await.with_context(|| failed("push to", &reference))
        })?;
        println!("pushed {} {} {} to {reference}", noun(info.kind), info.name, info.version);
        println!("{}", pushed.manifest_url);
        Ok(())
    }
}

impl Pull {
    pub fn run(self) -> anyhow::Result<()> {
        let fetched = crate::cli::runtime(1)?.block_on(fetch(&self.reference, &self.access))?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        let scratch = tempfile::tempdir()?;
        let file = scratch.path().join("pulled.wasm");
        std::fs::write(&file, &fetched.component)?;
        let plugin = Host::new(scratch.path())?.load(&file).with_context(|| format!("{} is refused", self.reference))?;
        let artifact = Artifact { name: plugin.info().name.clone(), file, grants: fetched.grants };
        let installed = Installer::new(self.out.canonicalize()?)?.install(&artifact)?;
        println!("pulled {} ({})", installed.file.display(), fetched.digest);
        Ok(())
    }
}

/// Gets a component; the registry's digests are checked.
pub async fn fetch(reference: &str, access: &Access) -> anyhow::Result<Fetched> {
    let reference = parse(reference)?;
    let (client, auth) = access.client(&reference)?;
    let image = client.pull(&reference, &auth, vec![LAYER]).await.with_context(|| failed("pull", &reference))?;
    let [layer] = <[ImageLayer; 1]>::try_from(image.layers)
        .map_err(|layers| anyhow::anyhow!("{reference} has {} layers, and a plugin has one of the type {LAYER}", layers.len()))?;
    let annotations = image.manifest.and_then(|m| m.annotations).unwrap_or_default();
    let grants = annotations.get(GRANTS).map_or("", String::as_str);
    Ok(Fetched {
        component: layer.data.into(),
        grants: grants.split(',').map(str::trim).filter(|g| !g.is_empty()).map(str::to_owned).collect(),
        digest: image.digest.unwrap_or_default(),
    })
}

impl Access {
    fn client(&self, reference: &Reference) -> anyhow::Result<(Client, RegistryAuth)> {
        let protocol = if self.insecure { ClientProtocol::Http } else { ClientProtocol::Https };
        let auth = match &self.username {
            Some(user) => {
                let password =
                    std::env::var(PASSWORD).with_context(|| format!("--username is given without a password in {PASSWORD}"))?;
                RegistryAuth::Basic(user.clone(), password)
            }
            None => docker_login(reference.registry()).unwrap_or(RegistryAuth::Anonymous),
        };
        Ok((Client::new(ClientConfig { protocol, ..Default::default() }), auth))
    }
}

/// What `docker login` has kept for a registry in its own file; not what it has given to a credential helper.
fn docker_login(registry: &str) -> Option<RegistryAuth> {
    let dir = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".docker")))?;
    let text = std::fs::read(dir.join("config.json")).ok()?;
    login(&serde_json::from_slice(&text).ok()?, registry)
}

fn login(config: &Value, registry: &str) -> Option<RegistryAuth> {
    let auth = BASE64_STANDARD.decode(config["auths"][registry]["auth"].as_str()?).ok()?;
    let auth = String::from_utf8(auth).ok()?;
    let (user, password) = auth.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

fn parse(reference: &str) -> anyhow::Result<Reference> {
    let reference = reference.strip_prefix("oci://").unwrap_or(reference);
    // Without a host it would be one of a public registry, which nobody means here.
    let host = reference.split('/').next().unwrap_or_default();
    if !reference.contains('/') || !(host.contains(['.', ':']) || host == "localhost") {
        bail!("\"{reference}\" names no registry: write it as HOST[:PORT]/NAME:TAG");
    }
    reference.parse().with_context(|| format!("\"{reference}\" is no reference: write it as HOST[:PORT]/NAME:TAG"))
}

fn failed(what: &str, reference: &Reference) -> String {
    format!("cannot {what} {reference}; a registry without TLS needs --insecure, one that asks who you are --username")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry() {
        for reference in ["127.0.0.1:5000/a/b:1", "oci://registry.example/a@sha256:0", "localhost/a"] {
            let parsed = parse(reference);
            assert_eq!(parsed.is_ok(), !reference.contains("sha256:0"), "{reference}: {parsed:?}");
        }
        for reference in ["mask-email", "mask-email:1.0", "library/mask-email"] {
            assert!(parse(reference).unwrap_err().to_string().contains("names no registry"), "{reference}");
        }
    }

    #[test]
    fn what_docker_has_kept_is_used() {
        let config = json!({"auths": {"r.example:5000": {"auth": "YWRhOmE6Yg=="}, "helper.example": {}}});
        let Some(RegistryAuth::Basic(user, password)) = login(&config, "r.example:5000") else { panic!("no login") };
        assert_eq!((user.as_str(), password.as_str()), ("ada", "a:b"));
        assert!(login(&config, "helper.example").is_none() && login(&config, "other").is_none());
    }
}
