//! Resident bytes that are not jemalloc's, by the place where they lie.

use crate::read::Residency;

/// What is resident and not jemalloc's.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Pages of files that are mapped privately: program and libraries, mapped models. In `RssFile`.
    FilePages,
    /// Pages of such files that were written, and so became the process's own. In `RssAnon`.
    FileWritten,
    /// Shared maps of files on disk. In `RssFile`.
    SharedFile,
    /// Shared memory, and all maps of files in memory. In `RssShmem`.
    SharedMemory,
    /// Code that the kernel lends, `[vdso]`. In `RssFile`.
    Vdso,
    /// Zero-initialised variables.
    Bss,
    /// The main thread's stack.
    MainStack,
    /// Stacks and thread-local variables of other threads, also those that glibc keeps for the next thread.
    ThreadStacks,
    /// What the dynamic loader keeps, and the main thread's thread-local variables.
    Loader,
    /// glibc's main heap, `[heap]`.
    GlibcHeap,
    /// glibc's heaps of threads.
    GlibcArenas,
    /// glibc's blocks with mappings of their own.
    GlibcMmapped,
}

impl Place {
    /// All of them, in the order of their numbers.
    pub const ALL: [Place; 12] = [
        Place::FilePages,
        Place::FileWritten,
        Place::SharedFile,
        Place::SharedMemory,
        Place::Vdso,
        Place::Bss,
        Place::MainStack,
        Place::ThreadStacks,
        Place::Loader,
        Place::GlibcHeap,
        Place::GlibcArenas,
        Place::GlibcMmapped,
    ];
}

/// Resident bytes by [`Place`].
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Outside([Residency; Place::ALL.len()]);

impl Outside {
    /// Of one place.
    pub fn get(&self, place: Place) -> Residency {
        self.0[place as usize]
    }

    /// Adds to one place.
    pub fn add(&mut self, place: Place, resident: Residency) {
        self.0[place as usize] += resident;
    }

    /// Of all places.
    pub fn total(&self) -> Residency {
        self.0.iter().copied().sum()
    }
}
