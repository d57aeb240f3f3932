//! What the allocator does for this crate, which depends on nobody: a table of functions that it installs.

use core::alloc::Layout;

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
