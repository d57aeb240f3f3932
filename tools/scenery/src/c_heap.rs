//! Blocks of the C library's heap, which is not the one that the ledger looks after.

use std::ptr::NonNull;

/// A block from `malloc`, every byte of it written; freed when dropped.
#[derive(Debug)]
pub struct CBlock(NonNull<libc::c_void>);

// SAFETY: the block belongs to this value alone, and `free` may be called on any thread.
unsafe impl Send for CBlock {}

impl CBlock {
    /// Allocates `bytes` and writes all of them; `None` if there is no memory.
    pub fn new(bytes: usize) -> Option<Self> {
        // SAFETY: any size may be asked for.
        let block = NonNull::new(unsafe { libc::malloc(bytes) })?;
        // SAFETY: the block has so many bytes and is ours.
        unsafe { std::ptr::write_bytes(block.as_ptr().cast::<u8>(), 0xc5, bytes) };
        Some(Self(block))
    }
}

impl Drop for CBlock {
    fn drop(&mut self) {
        // SAFETY: it came from malloc and is freed once.
        unsafe { libc::free(self.0.as_ptr()) };
    }
}

/// Has the C library give back what it can; `false` where it has no such call.
pub fn trim() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: the call takes any padding and may come at any time.
        unsafe { libc::malloc_trim(0) };
        true
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
