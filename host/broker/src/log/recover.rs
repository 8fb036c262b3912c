//! Opening a partition: only what came after the last checkpoint is read, and a torn tail is cut.

use super::batch::marker_commits;
use super::checkpoint::Checkpoint;
use super::index;
use super::partition::{Log, Partition, now_ms};
use super::producers::Producers;
use super::scan::Headers;
use super::segment::{Segment, index_path, log_path};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of the log is read at once.
const SCAN_BYTES: usize = 1 << 20;

impl Partition {
    /// Opens the partition in `dir`, creating it when it is not there.
    pub fn open(topic: Arc<str>, index: i32, dir: PathBuf, boot_id: Arc<str>, journaled_start: i64) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let bases = list_segments(&dir)?;
        let checkpoint = Checkpoint::load(&dir, &boot_id).filter(|checkpoint| {
            let length = std::fs::metadata(log_path(&dir, checkpoint.segment_base)).map_or(0, |metadata| metadata.len());
            bases.contains(&checkpoint.segment_base) && length >= checkpoint.position
        });
        let mut opening = Opening { dir: &dir, segments: Vec::new(), producers: Producers::default(), torn: false };
        let from = checkpoint.as_ref().map_or(i64::MIN, |checkpoint| checkpoint.segment_base);
        if let Some(checkpoint) = &checkpoint {
            opening.producers = checkpoint.producers.clone();
        }
        for base in &bases {
            match &checkpoint {
                Some(_) if *base < from => opening.take_sealed(*base)?,
                Some(checkpoint) if *base == from => opening.resume(checkpoint)?,
                _ => opening.scan(Segment::empty(&dir, *base))?,
            }
        }
        let (mut segments, producers) = (opening.segments, opening.producers);
        let active = segments.pop().unwrap_or_else(|| Segment::empty(&dir, journaled_start.max(0)));
        segments.iter_mut().filter(|segment| !segment.entries().is_empty()).for_each(|segment| segment.seal(&dir));
        let first = segments.first().map_or(active.base_offset, |segment| segment.base_offset);
        let log = Log {
            start: journaled_start.max(first).min(active.next_offset),
            synced_next: active.base_offset,
            sealed: Arc::new(segments.into_iter().map(Arc::new).collect()),
            active,
            producers,
            cursors: Vec::new(),
            tail_is_dirty: false,
            closed: false,
            index_entries_stored: 0,
            since_checkpoint: 0,
            since_synced_checkpoint: 0,
            unsynced: Vec::new(),
        };
        Ok(Self::new(topic, index, dir, boot_id, log))
    }
}

/// The base offsets of the segments, in order. Files of interrupted work are removed.
fn list_segments(dir: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => bases.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<i64>().ok())),
            Some("new" | "cleaned") => std::fs::remove_file(&path)?,
            _ => {}
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

struct Opening<'a> {
    dir: &'a Path,
    segments: Vec<Segment>,
    producers: Producers,
    /// A damaged batch was met: what follows is cut.
    torn: bool,
}

impl Opening<'_> {
    fn next_offset(&self) -> i64 {
        self.segments.last().map_or(0, |segment| segment.next_offset)
    }

    /// A segment before the checkpoint: its index file says all, or it is read once more.
    fn take_sealed(&mut self, base: i64) -> io::Result<()> {
        if base < self.next_offset() {
            // Compaction merged it into the one before and was interrupted before it removed this one.
            Segment::empty(self.dir, base).remove();
            return Ok(());
        }
        let bytes = std::fs::metadata(log_path(self.dir, base))?.len();
        match index::summary(&index_path(self.dir, base), base, bytes) {
            Some(summary) => self.segments.push(Segment::sealed(self.dir, &summary)),
            None => {
                // The producers' state is the checkpoint's, which came later: reading this segment must not change it.
                let producers = self.producers.clone();
                self.scan(Segment::empty(self.dir, base))?;
                self.producers = producers;
            }
        }
        Ok(())
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let path = index_path(self.dir, checkpoint.segment_base);
        let Ok(entries) = index::load(&path, checkpoint.index_entries as usize) else {
            let producers = self.producers.clone();
            self.scan(Segment::empty(self.dir, checkpoint.segment_base))?;
            // Batches after the checkpoint are in neither state alone; noting all of them again gives at least the same.
            if self.next_offset() == checkpoint.next_offset {
                self.producers = producers;
            }
            return Ok(());
        };
        let mut segment = Segment::empty(self.dir, checkpoint.segment_base);
        segment.bytes = checkpoint.position;
        segment.next_offset = checkpoint.next_offset;
        segment.max_timestamp = checkpoint.max_timestamp;
        segment.first_append_ms = checkpoint.first_append_ms;
        segment.resume(entries);
        self.scan(segment)
    }

    /// Reads a segment from where it is known, takes note of every sound batch, and cuts what follows them.
    fn scan(&mut self, mut segment: Segment) -> io::Result<()> {
        if self.torn || segment.base_offset < self.next_offset() {
            segment.remove();
            return Ok(());
        }
        let file = segment.file.get()?;
        let length = file.metadata()?.len();
        let mut batches = Headers::new(&file, segment.bytes, length, SCAN_BYTES);
        let now = now_ms();
        while let Some((_, header, bytes)) = batches.next_whole()? {
            if header.base_offset < segment.next_offset {
                break;
            }
            if header.is_control() {
                if let Some(commit) = marker_commits(bytes) {
                    self.producers.ended(&header, commit, now);
                }
            } else {
                self.producers.appended(&header, now);
            }
            segment.note(&header, now, super::INDEX_INTERVAL_BYTES);
        }
        if segment.bytes < length {
            tracing::warn!(
                file = %segment.file.path().display(), kept = segment.bytes, cut = length - segment.bytes,
                "the log ended in an unfinished batch, which was never acknowledged or never synced; it is cut"
            );
            file.set_len(segment.bytes)?;
            self.torn = true;
        }
        self.segments.push(segment);
        Ok(())
    }
}
