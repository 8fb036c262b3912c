//! `millrace plugin deploy`: a component to a running worker, over REST.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::registry;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  millrace plugin deploy .millrace/plugins/mask-email.wasm
  millrace plugin deploy oci://127.0.0.1:5000/plugins/mask-email:1.2.0 --insecure --url http://connect:8083
  cosign sign-blob --key cosign.key mask-email.wasm > mask-email.sig
  millrace plugin deploy mask-email.wasm --signature mask-email.sig

Connectors that take the plugin in its newest version move to it between two batches.")]
pub struct Deploy {
    /// The component's file, or oci:// and where it is in an OCI registry.
    component: String,
    /// Also in place of an uploaded plugin of the same name and version.
    #[arg(long)]
    replace: bool,
    /// A file with the component's signature in base 64, for a worker that asks for one.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    #[command(flatten)]
    access: registry::Access,
    /// The worker's REST address.
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    url: String,
}

/// A worker compiles what it is given before it answers.
const TIMEOUT: Duration = Duration::from_secs(300);

impl Deploy {
    pub fn run(self) -> anyhow::Result<()> {
        let answer = crate::cli::runtime(1)?.block_on(self.send())?;
        println!("{}", text(&answer));
        Ok(())
    }

    async fn send(&self) -> anyhow::Result<Value> {
        let component = match self.component.strip_prefix("oci://") {
            Some(place) => registry::fetch(place, &self.access).await?.component,
            None => read(Path::new(&self.component))?.into(),
        };
        let url = self.url.trim_end_matches('/');
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let digest: String = Sha256::digest(&component).iter().map(|b| format!("{b:02x}")).collect();
        let mut request = client.put(format!("{url}/plugins")).header("X-Content-SHA256", digest).body(component);
        if self.replace {
            request = request.query(&[("replace", "true")]);
        }
        if let Some(file) = &self.signature {
            let text = String::from_utf8(read(file)?).with_context(|| format!("{} is no text in base 64", file.display()))?;
            request = request.header("X-Content-Signature", text.split_ascii_whitespace().collect::<String>());
        }
        let unreachable = || format!("no worker answers at {url}; give its \"listeners\" address with --url");
        let answer = request.send().await.with_context(unreachable)?;
        let (well, answer) = (answer.status().is_success(), answer.json::<Value>().await.with_context(unreachable)?);
        if !well {
            bail!("{}", answer["message"].as_str().unwrap_or("the worker answered an error without a message"));
        }
        Ok(answer)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The worker's answer for people.
fn text(answer: &Value) -> String {
    let field = |name: &str| answer[name].as_str().unwrap_or_default();
    let mut lines = vec![format!("deployed {} {} {}", field("type"), field("name"), field("version"))];
    for name in answer["moved"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        lines.push(format!("connector \"{name}\" runs it now"));
    }
    for refused in answer["refused"].as_array().into_iter().flatten() {
        let (name, why) = (refused["connector"].as_str().unwrap_or_default(), refused["reason"].as_str().unwrap_or_default());
        lines.push(format!("connector \"{name}\" stays as it is: {why}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_moved_and_who_did_not_is_said() {
        let answer = json!({"type": "transformation", "name": "mask", "version": "1.0.0", "moved": ["a"],
            "refused": [{"connector": "b", "reason": "no field"}]});
        let said = "deployed transformation mask 1.0.0\nconnector \"a\" runs it now\nconnector \"b\" stays as it is: no field";
        assert_eq!(text(&answer), said);
    }
}
