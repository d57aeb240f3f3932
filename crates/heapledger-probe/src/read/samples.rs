//! Blocks whose place in jemalloc is known, because they were just made.
#![allow(unsafe_code)]

use std::ffi::c_void;

use tikv_jemalloc_sys::{MALLOCX_ARENA, MALLOCX_TCACHE_NONE, dallocx, mallocx, sallocx};

/// A block of an arena, made and freed past all thread caches, and past the ledger.
#[derive(Debug)]
pub(crate) struct Sample {
    block: *mut c_void,
    flags: i32,
    /// Where it begins.
    pub(crate) address: usize,
    /// Usable bytes.
    pub(crate) usable_bytes: usize,
    /// Its arena.
    pub(crate) arena: usize,
}

impl Sample {
    /// `None` if there is no memory. The block is never touched, so a large one costs addresses only.
    pub(crate) fn new(bytes: usize, arena: usize) -> Option<Self> {
        let flags = MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
        // SAFETY: the size is not 0, and the caller names an arena that exists.
        let block = unsafe { mallocx(bytes, flags) };
        if block.is_null() {
            return None;
        }
        // SAFETY: the block was just made.
        let usable_bytes = unsafe { sallocx(block, 0) };
        Some(Self { block, flags, address: block as usize, usable_bytes, arena })
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        // SAFETY: the block was made with these flags and is freed once.
        unsafe { dallocx(self.block, self.flags) };
    }
}
