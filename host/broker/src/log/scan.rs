//! Walks the batches of a log file in order, through one buffer of bounded size.

use super::batch::{BatchHeader, HEADER_BYTES, checksum_fits};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Walks the batch headers of `file` from `position` up to `end`.
pub struct Headers<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Headers<'a> {
    /// `chunk` is how much is read at once: little for a look-up, more for a walk.
    pub fn new(file: &'a File, position: u64, end: u64, chunk: usize) -> Self {
        Self { file, position, end, chunk: chunk.max(HEADER_BYTES), buffer: Vec::new(), buffer_at: 0 }
    }

    /// The next batch: its position and header. `None` at the end, or where what follows is no whole batch.
    pub fn next(&mut self) -> io::Result<Option<(u64, BatchHeader)>> {
        if self.position + HEADER_BYTES as u64 > self.end {
            return Ok(None);
        }
        self.fill(HEADER_BYTES)?;
        let at = (self.position - self.buffer_at) as usize;
        let Some(header) = BatchHeader::parse(&self.buffer[at..]) else { return Ok(None) };
        if self.position + u64::from(header.bytes) > self.end {
            return Ok(None);
        }
        let position = self.position;
        self.position += u64::from(header.bytes);
        Ok(Some((position, header)))
    }

    /// The next batch whole, its checksum verified. `None` at the end, or where what follows is no sound batch.
    pub fn next_whole(&mut self) -> io::Result<Option<(u64, BatchHeader, &[u8])>> {
        let Some((position, header)) = self.next()? else { return Ok(None) };
        let after = self.position;
        self.position = position;
        self.fill(header.bytes as usize)?;
        let at = (position - self.buffer_at) as usize;
        let batch = &self.buffer[at..at + header.bytes as usize];
        if !checksum_fits(batch) {
            return Ok(None);
        }
        self.position = after;
        Ok(Some((position, header, batch)))
    }

    /// Where the walk stands: the end of the last batch given.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        let buffered = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if buffered.contains(&self.position) && self.position + bytes as u64 <= buffered.end {
            return Ok(());
        }
        let want = (self.chunk.max(bytes) as u64).min(self.end - self.position) as usize;
        self.buffer.resize(want, 0);
        self.buffer_at = self.position;
        self.file.read_exact_at(&mut self.buffer, self.position)
    }
}
