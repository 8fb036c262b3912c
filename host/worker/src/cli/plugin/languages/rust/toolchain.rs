//! A compiler that can build for [`TARGET`]: one that has the target installed, else one that has the standard library's
//! source, from which the target's library is then built (Debian's packages).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

pub const TARGET: &str = "wasm32-unknown-unknown";

#[derive(Debug)]
pub struct Toolchain {
    rustc: PathBuf,
    cargo: PathBuf,
    version: String,
    std: Std,
}

/// Where the target's standard library comes from.
#[derive(Debug)]
enum Std {
    Installed,
    Source { library: PathBuf, linker: Option<PathBuf> },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.rustc.display())?;
        match &self.std {
            Std::Installed => write!(f, " and its target {TARGET}"),
            Std::Source { library, linker } => {
                write!(f, " for {TARGET}, building the standard library from {}", library.display())?;
                linker.as_ref().map_or(Ok(()), |l| write!(f, ", linking with {}", l.display()))
            }
        }
    }
}

impl Toolchain {
    /// `cargo SUBCOMMAND`, in an environment where only this toolchain's compiler is seen.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.arg(subcommand).env("RUSTC", &self.rustc);
        // What was meant for the host's compiler breaks a guest's build.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS"] {
            cargo.env_remove(name);
        }
        cargo
    }

    /// `cargo build` for the target.
    pub fn build(&self) -> Command {
        let mut cargo = self.cargo("build");
        cargo.args(["--target", TARGET]);
        if let Std::Source { linker, .. } = &self.std {
            // Building the standard library is an unstable option of a stable compiler.
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
            if let Some(linker) = linker {
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
        cargo
    }
}

/// The best toolchain of this machine, as seen from the crate's directory.
pub fn find(dir: &Path) -> anyhow::Result<Toolchain> {
    let chosen = std::env::var_os("RUSTC").filter(|r| !r.is_empty());
    let candidates = chosen.into_iter().chain([OsString::from("rustc"), OsString::from("/usr/bin/rustc")]);
    let compilers: Vec<_> = candidates.filter_map(|rustc| Compiler::ask(PathBuf::from(rustc), dir)).collect();
    let installed = compilers.iter().find(|c| c.has_target()).map(|c| (c, Std::Installed));
    let found = installed.or_else(|| compilers.iter().find_map(|c| Some((c, c.source()?))));
    let Some((compiler, std)) = found else {
        let seen = compilers.iter().map(|c| format!("{} ({})", c.version, c.rustc.display())).collect::<Vec<_>>();
        let seen =
            if seen.is_empty() { "there is no Rust compiler".to_owned() } else { format!("found only {}", seen.join(" and ")) };
        bail!(
            "no Rust compiler on this machine builds for {TARGET}: {seen}; \
             run \"rustup target add {TARGET}\", or on Debian and Ubuntu \
             \"apt-get install rustc-web cargo-web rust-web-src lld-19\""
        );
    };
    let (rustc, version) = (compiler.rustc.clone(), compiler.version.clone());
    Ok(Toolchain { cargo: compiler.cargo(), rustc, version, std })
}

struct Compiler {
    /// As it was asked for; its sysroot's own program when it is a proxy.
    rustc: PathBuf,
    version: String,
    sysroot: PathBuf,
}

impl Compiler {
    fn ask(rustc: PathBuf, dir: &Path) -> Option<Self> {
        let answer = |args: &[&str]| {
            let out = Command::new(&rustc).args(args).current_dir(dir).output().ok().filter(|o| o.status.success())?;
            Some(String::from_utf8(out.stdout).ok()?.trim().to_owned())
        };
        let sysroot = PathBuf::from(answer(&["--print", "sysroot"])?);
        let version = answer(&["--version"])?;
        let version = version.split(" (").next().unwrap_or_default().to_owned();
        let own = sysroot.join("bin/rustc");
        let rustc = if own.is_file() { own } else { rustc };
        Some(Compiler { rustc, version, sysroot })
    }

    fn has_target(&self) -> bool {
        let lib = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        std::fs::read_dir(lib)
            .is_ok_and(|entries| entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("libstd-")))
    }

    fn source(&self) -> Option<Std> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        if !library.join("std/Cargo.toml").is_file() {
            return None;
        }
        let lld = self.sysroot.join("lib/rustlib").join(host_triple()).join("bin/rust-lld");
        let linker = if lld.is_file() { None } else { Some(wasm_ld()?) };
        Some(Std::Source { library, linker })
    }

    /// The cargo of the same toolchain, else the one on the path.
    fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if own.is_file() { own } else { std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from) }
    }
}

fn host_triple() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

/// The newest `wasm-ld` of the path; Debian puts the version into the name.
fn wasm_ld() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&path).filter_map(|d| std::fs::read_dir(d).ok()).flatten().flatten();
    let version = |p: &Path| {
        let name = p.file_name()?.to_str()?.strip_prefix("wasm-ld")?;
        if name.is_empty() { Some(0) } else { name.strip_prefix('-')?.parse::<u32>().ok() }
    };
    files.map(|e| e.path()).filter_map(|p| Some((version(&p)?, p))).max().map(|(_, p)| p)
}
