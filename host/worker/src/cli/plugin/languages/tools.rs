//! The programs that a build calls: finding them, and running them with their messages on the terminal.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// A program that a language needs.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its names, the best first.
    pub programs: &'static [&'static str],
    /// The command that installs it.
    pub install: &'static str,
}

impl Tool {
    /// Where it is on the path.
    pub fn find(&self, language: &str) -> anyhow::Result<PathBuf> {
        let found = self.programs.iter().find_map(|program| on_path(program));
        found.with_context(|| {
            format!(
                "building a plugin from {language} needs {}, which is not on the path of this machine: run \"{}\"",
                self.programs.iter().map(|p| format!("\"{p}\"")).collect::<Vec<_>>().join(" or "),
                self.install
            )
        })
    }
}

/// A program that the path has.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &std::path::Path) -> bool {
    file.is_file()
}

/// Runs a program to its end; all that it says goes to the terminal's error stream. `what`: as in "cannot WHAT".
pub fn run(mut command: Command, what: &str) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().with_context(|| format!("cannot {what}: cannot start {program}"))?;
    if !status.success() {
        bail!("cannot {what}: {program} ended with {status}; see its messages above");
    }
    Ok(())
}

/// What a program answers, without the white space around it; none where it cannot be asked.
pub fn answer(mut command: Command) -> Option<String> {
    let out = command.stdin(Stdio::null()).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_command_that_installs_it() {
        let tool = Tool { programs: &["no-such-program-here"], install: "pip install it" };
        let error = tool.find("python").unwrap_err().to_string();
        assert!(error.contains("\"no-such-program-here\"") && error.contains("run \"pip install it\""), "{error}");
        assert!(Tool { programs: &["no-such-program-here", "sh"], install: "" }.find("c").unwrap().ends_with("sh"));
    }

    #[test]
    fn a_program_that_fails_fails_the_build() {
        let mut sh = Command::new("sh");
        sh.args(["-c", "exit 3"]);
        let error = run(sh, "build it").unwrap_err().to_string();
        assert!(error.contains("cannot build it: sh ended with exit status: 3"), "{error}");
        let mut sh = Command::new("sh");
        sh.args(["-c", "echo ' 1.2 '"]);
        assert_eq!(answer(sh).unwrap(), "1.2");
    }
}
