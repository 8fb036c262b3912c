//! A clock that jumps for the worker's process alone: `clock.c`, loaded before its libraries, adds what a file says.

use std::path::{Path, PathBuf};
use std::process::Command;

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fault/campaign/clock.c");

/// What a process's clock shows.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    /// Seconds, from the true time.
    ahead: i64,
}

impl Clock {
    /// None, said aloud: there is no C compiler.
    pub fn new(dir: &Path) -> anyhow::Result<Option<Clock>> {
        let (library, file) = (dir.join("clock.so"), dir.join("clock"));
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-Wall", "-o"]).arg(&library).arg(SHIM).output();
        match built {
            Ok(done) if done.status.success() => {}
            Ok(done) => anyhow::bail!("{SHIM} does not build: {}", String::from_utf8_lossy(&done.stderr)),
            Err(why) => {
                millrace_tests::report(format_args!("SKIPPED: no clock jumps in this campaign: no C compiler \"cc\": {why}"));
                return Ok(None);
            }
        }
        let mut clock = Clock { library, file, ahead: 0 };
        clock.jump(0)?;
        Ok(Some(clock))
    }

    /// For the environment of the process.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |p: &Path| p.to_string_lossy().into_owned();
        vec![("LD_PRELOAD".into(), text(&self.library)), ("MILLRACE_TEST_CLOCK".into(), text(&self.file))]
    }

    /// Sets it ahead, or back.
    pub fn jump(&mut self, seconds: i64) -> anyhow::Result<()> {
        self.ahead += seconds;
        use std::os::unix::fs::FileExt as _;
        // In place: the process has the file in its memory.
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.file)?;
        Ok(file.write_all_at(&self.ahead.to_ne_bytes(), 0)?)
    }
}
