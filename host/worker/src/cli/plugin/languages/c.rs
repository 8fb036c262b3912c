//! C: the sources that the manifest names, and the SDK's, compiled by clang with wasi-libc, or by Zig's clang with its own.
//! Nothing of WASI is imported as long as the plugin calls nothing of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::super::new::{Kind, Starter, VENDOR};
use super::tools::{self, Tool};
use super::{Artifact, Builder, Job, Language, Project};

pub struct C;

/// The headers and the library of Debian's wasi-libc.
const WASI_HEADERS: &str = "/usr/include/wasm32-wasi";
const WASI_LIBRARY: &str = "/usr/lib/wasm32-wasi";
const INSTALL: &str = "sudo apt-get install clang-19 lld-19 wasi-libc\" or \"pip install ziglang==0.17.0";
const CLANG: Tool = Tool {
    programs: &["clang-19", "clang-22", "clang-21", "clang-20", "clang-18", "clang-17", "clang-16", "clang"],
    install: INSTALL,
};

impl Language for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn builder(&self, _dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        let clang = CLANG.find("C");
        if let Ok(program) = &clang
            && Path::new(WASI_HEADERS).is_dir()
            && let Some(linker) = linker(program)
        {
            return Ok(Box::new(Compiler::Clang { program: program.clone(), linker }));
        }
        if let Some(program) = tools::on_path("zig") {
            return Ok(Box::new(Compiler::Zig(vec![program.into_os_string().into_string().unwrap_or_default()])));
        }
        if let Some(python) = tools::on_path("python3") {
            let zig = vec![python.to_string_lossy().into_owned(), "-m".to_owned(), "ziglang".to_owned()];
            let mut asked = Command::new(&zig[0]);
            asked.args(&zig[1..]).arg("version");
            if tools::answer(asked).is_some() {
                return Ok(Box::new(Compiler::Zig(zig)));
            }
        }
        let program = clang?;
        if linker(&program).is_none() {
            bail!("building a plugin from C needs \"wasm-ld\" beside {}: run \"{INSTALL}\"", program.display());
        }
        bail!("building a plugin from C needs wasi-libc, and {WASI_HEADERS} is not there: run \"{INSTALL}\"")
    }

    fn starter(&self, kind: Kind) -> Option<Starter> {
        let rewrite = &[("../..", "vendor/millrace/sdk/c")];
        let starter = Starter { dir: "sdk/c/templates/transform", needs: &["sdk/c"], vendor: VENDOR, rewrite };
        (kind == Kind::Transform).then_some(starter)
    }

    fn hint(&self) -> &'static str {
        "a C plugin's millrace.toml has \"sdk\" and \"sources\" under [build]"
    }
}

/// The linker of the same version as the compiler, else any.
fn linker(clang: &Path) -> Option<PathBuf> {
    let name = clang.file_name()?.to_str()?;
    let own = name.strip_prefix("clang").and_then(|version| tools::on_path(&format!("wasm-ld{version}")));
    own.or_else(|| tools::on_path("wasm-ld"))
}

/// What `[build]` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where `include/millrace.h` is, seen from the project.
    sdk: PathBuf,
    sources: Vec<PathBuf>,
    #[serde(default)]
    world: World,
    /// Further words for the compiler.
    #[serde(default)]
    flags: Vec<String>,
}

/// What records are to the plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum World {
    #[default]
    Transform,
    Plain,
}

impl World {
    /// Where the SDK has what is of this world alone, in `src` and in `bindings`.
    fn dir(&self) -> &'static str {
        match self {
            World::Transform => "transform",
            World::Plain => "plain",
        }
    }
}

#[derive(Debug)]
enum Compiler {
    Clang { program: PathBuf, linker: PathBuf },
    Zig(Vec<String>),
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compiler::Clang { program, linker } => write!(f, "{} and {}", program.display(), linker.display()),
            Compiler::Zig(words) => write!(f, "{} cc", words.join(" ")),
        }
    }
}

impl Compiler {
    fn command(&self) -> Command {
        match self {
            Compiler::Clang { program, linker } => {
                let mut clang = Command::new(program);
                clang.args(["--target=wasm32-wasi", "--sysroot=/", "-isystem", WASI_HEADERS]);
                clang.arg(format!("-L{WASI_LIBRARY}")).arg(format!("-fuse-ld={}", linker.display()));
                // The compiler's own run-time library for this target is a package that Debian does not have.
                clang.args(["-nodefaultlibs", "-lc"]);
                // Copies are most of what a transform does, and the C library's go byte by byte.
                clang.arg("-mbulk-memory");
                clang
            }
            Compiler::Zig(words) => {
                let mut zig = Command::new(&words[0]);
                zig.args(&words[1..]).args(["cc", "-target", "wasm32-wasi"]);
                zig
            }
        }
    }
}

impl Builder for Compiler {
    fn tools(&self) -> &dyn fmt::Display {
        self
    }

    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>> {
        let manifest = project.manifest()?;
        let settings: Settings = manifest.build()?;
        let sdk = project.dir.join(&settings.sdk);
        if !sdk.join("include/millrace.h").is_file() {
            bail!(
                "\"sdk\" under [build] of \"{}\" is \"{}\", where include/millrace.h is not; give it the directory sdk/c",
                manifest.name,
                settings.sdk.display()
            );
        }
        if settings.sources.is_empty() {
            bail!("\"sources\" under [build] of \"{}\" is empty; name the plugin's .c files", manifest.name);
        }
        let module = job.scratch.join(format!("{}.module.wasm", manifest.name));
        let mut cc = self.command();
        cc.current_dir(&project.dir).args(["-std=c11", "-O3", "-Wall", "-Wextra", "-mexec-model=reactor", "-Wl,--strip-debug"]);
        let (own, bindings) = (sdk.join("src").join(settings.world.dir()), sdk.join("bindings").join(settings.world.dir()));
        for dir in [&sdk.join("include"), &sdk.join("src"), &own, &bindings] {
            cc.arg("-I").arg(dir);
        }
        cc.args(&settings.flags).arg("-o").arg(&module).args(&settings.sources);
        for dir in [&sdk.join("src"), &own, &bindings] {
            cc.args(library(dir)?);
        }
        tools::run(cc, &format!("build the plugin \"{}\"", manifest.name))?;
        Ok(vec![project.artifact(module)?])
    }
}

/// The sources of the SDK, and the object that says what the module is.
fn library(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files: Vec<_> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "c" || e == "o")).collect();
    files.sort();
    Ok(files)
}
