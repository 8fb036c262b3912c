//! Lists what `millrace plugin new` writes into projects: the contract, and the SDKs with their starters, each file of which
//! becomes a part of the program.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What builds and tests leave behind, and what no author needs.
const LEFT_OUT: [&str; 8] = ["target", "node_modules", "__pycache__", "dist", "build", "tests", "conformance", "vendor"];
/// No file of an author's is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the repository that this crate is in");
    let mut files = Vec::new();
    for dir in ["wit", "sdk"] {
        list(&root.join(dir), false, &mut files);
    }
    files.sort();
    let mut out = String::from("/// Path in the repository, and what the file holds.\npub static FILES: &[(&str, &[u8])] = &[\n");
    for file in files {
        let name = file.strip_prefix(&root).expect("below the root").to_str().expect("a name in UTF-8");
        writeln!(out, "    ({name:?}, include_bytes!({:?})),", file.display().to_string()).expect("memory");
    }
    out.push_str("];\n");
    let to = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo")).join("embedded.rs");
    std::fs::write(to, out).expect("a file in OUT_DIR");
}

/// `starter`: in a project that is copied as it is, its tests too.
fn list(dir: &Path, starter: bool, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(metadata) = entry.metadata() else { continue };
        let hidden = name.starts_with('.') && name != ".gitignore";
        if hidden || (LEFT_OUT.contains(&name.as_str()) && !(starter && name == "tests")) {
            continue;
        }
        if metadata.is_dir() {
            list(&entry.path(), starter || name == "starter" || name == "templates", files);
        } else if metadata.len() <= FILE_BYTES_MAX && (!starter || is_text(&entry.path())) {
            files.push(entry.path());
        }
    }
}

/// All of a starter is; what is not was made of it by a build.
fn is_text(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok())
}
