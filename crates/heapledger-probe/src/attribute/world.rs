//! What is given: pages, extents, owners.

/// Why a page is where it is, as far as the kernel tells.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum PageKind {
    /// The process's own page.
    #[default]
    Anon,
    /// A page of a file, or of shared memory.
    File,
    /// The kernel's page of zeroes, which RSS leaves out.
    Zero,
    /// Either [`Anon`](Self::Anon) or [`Zero`](Self::Zero): the backend cannot tell.
    AnonOrZero,
    /// In swap, which RSS leaves out.
    Swapped,
}

/// Pages side by side of one kind. Pages of no run are not in memory.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Run {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// What they are.
    pub kind: PageKind,
}
