//! What the allocator does for this crate, which depends on nobody: a table of functions that it installs.

use core::alloc::Layout;

use crate::ids::Isolation;
#[doc(hidden)]
pub use crate::indices::{GROUP, Indices, only};
use crate::once::OnceRef;

/// What became of a block that was to be charged to another region.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[doc(hidden)]
pub enum Outcome {
    /// It is the current region's from now on.
    Moved,
    /// It was already.
    Kept,
    /// Memory to note the owner was refused: it stays whose it was.
    Refused,
    /// It lies in the arena of an isolated region, where no other region's block may lie.
    Isolated,
    /// No ledger charged it.
    NotCharged,
}

/// The functions.
#[derive(Debug)]
#[doc(hidden)]
pub struct Hooks {
    /// Charges a live block to the current region.
    ///
    /// # Safety
    /// * The block is live, came from the global allocator for this layout, and nobody else frees, resizes or adopts it
    ///   meanwhile.
    pub adopt: unsafe fn(*mut u8, Layout) -> Outcome,
    /// Gets an arena for the region with this index.
    pub isolate: fn(usize) -> Isolation,
    /// Of which regions blocks live, or may live: bit 0 is the region with this index, a multiple of [`GROUP`], bit 1
    /// the next, and only those that are set are asked for.
    pub live: fn(usize, u64) -> u64,
    /// Has every thread of the process be past a barrier; `false` if that cannot be had.
    pub barrier: fn() -> bool,
    /// Names every tag that a thread of the allocator's is in, or will be in once it leaves a scope; `false` if some
    /// thread cannot be asked.
    pub each_tag_in_use: fn(&mut dyn FnMut(u16)) -> bool,
    /// Forgets what was counted and which pages are named for indices that nobody can use any more.
    pub forget: fn(&Indices),
}

static HOOKS: OnceRef<Hooks> = OnceRef::new();

/// Called by the allocator when it is first used.
#[doc(hidden)]
pub fn install(hooks: &'static Hooks) {
    if HOOKS.get().is_none() {
        HOOKS.set(hooks);
    }
}

pub(crate) fn hooks() -> Option<&'static Hooks> {
    HOOKS.get()
}

/// Never gives the index to another name; for a thread whose stack is about to be out of sight.
#[doc(hidden)]
pub fn keep(index: usize) {
    crate::ids::keep(index);
}
