//! Pages that nobody may touch inside a mapping (`MADV_GUARD_INSTALL`, Linux 6.13), which no list of mappings shows.

use std::os::unix::fs::FileExt;

use super::runs::{FILE, Pages};
use crate::ReadError;

/// Entries of the pagemap file read at once.
const ENTRIES: usize = 512;
const ENTRY_BYTES: usize = 8;

/// The bit of an entry by which the kernel tells such a page, from Linux 6.15 on; before it is 0.
const ENTRY_GUARD: u64 = 1 << 58;

impl Pages<'_> {
    /// Calls `each` with the address of each guard page of `start..end`, by address. Allocates nothing; about 10 ns for
    /// each page of the range.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] if the kernel refuses, or if the backend does not read the pagemap file.
    pub(crate) fn for_each_guard(
        &self,
        start: usize,
        end: usize,
        mut each: impl FnMut(usize),
    ) -> Result<(), ReadError> {
        let mut buffer = [0; ENTRIES * ENTRY_BYTES];
        let mut from = start - start % self.page_bytes;
        while from < end {
            let pages = (end - from).div_ceil(self.page_bytes).min(ENTRIES);
            let wanted = buffer.get_mut(..pages * ENTRY_BYTES).unwrap_or_default();
            let place = (from / self.page_bytes * ENTRY_BYTES) as u64;
            self.file()?.read_exact_at(wanted, place).map_err(|error| ReadError::file(FILE, &error))?;
            let entries = wanted.as_chunks::<ENTRY_BYTES>().0;
            for (page, entry) in (from..).step_by(self.page_bytes).zip(entries) {
                if u64::from_ne_bytes(*entry) & ENTRY_GUARD != 0 {
                    each(page);
                }
            }
            from += pages * self.page_bytes;
        }
        Ok(())
    }
}
