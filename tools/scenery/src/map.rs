//! Maps that are not the allocator's.

use std::fs::File;
use std::hint::black_box;
use std::ops::Range;

use memmap2::{MmapMut, MmapOptions};

/// A mapping, unmapped when dropped. Nothing of it is touched until a method does.
#[derive(Debug)]
pub struct Map(MmapMut);

impl Map {
    /// Private memory without a file.
    ///
    /// # Errors
    /// The system refused.
    pub fn anonymous(bytes: usize) -> std::io::Result<Self> {
        MmapMut::map_anon(bytes).map(Self)
    }

    /// The file, privately: what is written becomes this process's own.
    ///
    /// # Errors
    /// The system refused.
    pub fn private(file: &File, bytes: usize) -> std::io::Result<Self> {
        // SAFETY: the file is a temporary one that nobody else writes or shortens while it is mapped.
        unsafe { MmapOptions::new().len(bytes).map_copy(file) }.map(Self)
    }

    /// The file, shared with whoever maps it too.
    ///
    /// # Errors
    /// The system refused.
    pub fn shared(file: &File, bytes: usize) -> std::io::Result<Self> {
        // SAFETY: as above; its bytes are only ever read and written as bytes.
        unsafe { MmapOptions::new().len(bytes).map_mut(file) }.map(Self)
    }

    /// Shared memory: a file that has no disk behind it.
    ///
    /// # Errors
    /// The system refused.
    pub fn shared_memory(bytes: usize) -> std::io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("heapledger", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.set_len(bytes as u64)?;
        Self::shared(&file, bytes)
    }

    /// First byte and behind the last, as addresses.
    pub fn addresses(&self) -> Range<u64> {
        let start = self.0.as_ptr().addr() as u64;
        start..start + self.0.len() as u64
    }

    /// Reads a byte of every page.
    pub fn read(&self, page_bytes: usize) {
        black_box(self.0.iter().step_by(page_bytes).map(|&byte| u64::from(byte)).sum::<u64>());
    }

    /// Writes a byte of every page of the first `bytes`.
    pub fn write(&mut self, bytes: usize, page_bytes: usize) {
        self.0[..bytes].iter_mut().step_by(page_bytes).for_each(|byte| *byte = 0xa7);
    }
}
