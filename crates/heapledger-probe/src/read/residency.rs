//! Which bytes of address ranges are resident: counted page by page by the kernel.

use crate::ReadError;
use crate::read::Roots;

/// How many bytes are in memory and counted in RSS.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Residency {
    /// Surely so.
    pub at_least_bytes: u64,
    /// Surely not more. Equal to `at_least_bytes` from Linux 6.7, where the kernel tells pages of zeroes apart.
    pub at_most_bytes: u64,
}

impl Residency {
    /// Known exactly.
    pub const fn exactly(bytes: u64) -> Self {
        Self { at_least_bytes: bytes, at_most_bytes: bytes }
    }

    /// Whether both ends are the same.
    pub const fn is_exact(self) -> bool {
        self.at_least_bytes == self.at_most_bytes
    }
}

impl std::ops::AddAssign for Residency {
    fn add_assign(&mut self, more: Self) {
        self.at_least_bytes += more.at_least_bytes;
        self.at_most_bytes += more.at_most_bytes;
    }
}

impl std::iter::Sum for Residency {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// Who tells which pages are resident; forcible, for tests and for kernels that lie.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The ioctl PAGEMAP_SCAN, from Linux 6.7: runs of pages, and pages of zeroes told apart.
    Scan,
    /// The file `/proc/self/pagemap`: 8 bytes for each page. A page of zeroes looks like one shared with a forked
    /// child, so both are in doubt.
    Pagemap,
    /// The call mincore: a byte for each page. It counts pages of zeroes, and of files it tells what the system has in
    /// memory rather than what this process maps, so it is used for anonymous memory only.
    Mincore,
    /// Nobody.
    None,
}

/// Counts the resident bytes of private anonymous ranges, given as `(address, bytes)` that do not overlap.
///
/// A page is resident if it is in memory and not the kernel's shared page of zeroes, which a read of untouched memory
/// maps and RSS leaves out. From Linux 6.7 that is exact (PAGEMAP_SCAN). Older kernels do not tell the zero page from a
/// page that is shared with a forked child, so such pages make the difference between the two figures (pagemap, which
/// is read with 8 bytes for each page of the range, touched or not).
///
/// Allocates nothing. Ranges need not begin or end at a page; of a page at the edge only the bytes inside the range
/// count.
///
/// # Errors
///
/// [`ReadError::File`] if `/proc/self/pagemap` cannot be read, [`ReadError::NotLinux`] elsewhere.
pub fn resident_bytes(
    roots: Roots<'_>,
    ranges: impl IntoIterator<Item = (usize, usize)>,
) -> Result<Residency, ReadError> {
    #[cfg(target_os = "linux")]
    return linux::resident_bytes(roots, ranges);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (roots, ranges);
        Err(ReadError::NotLinux)
    }
}

#[cfg(target_os = "linux")]
#[path = "residency_linux.rs"]
mod linux;
