//! A small file system of its own, so that a disk can be full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs; unmounted when it is dropped.
pub struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// None, said aloud: this user may not mount one.
    pub fn mount(megabytes: u32) -> anyhow::Result<Option<Disk>> {
        let dir = tempfile::Builder::new().prefix("millrace-disk").tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=777"), "millrace-test"]).arg(dir.path());
        let done = mount.output()?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            millrace_tests::report(format_args!(
                "SKIPPED: no disk is ever full in this campaign, since none can be mounted: {why}"
            ));
            return Ok(None);
        }
        Ok(Some(Disk { dir }))
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }

    /// Leaves so many bytes free.
    pub fn fill(&self, leave: u64) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast())?;
        let block = vec![0; 4 << 10];
        let mut written = 0;
        while file.write_all(&block).is_ok() {
            written += block.len() as u64;
        }
        file.set_len(written.saturating_sub(leave))?;
        Ok(())
    }

    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open on it keeps it until then.
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}
