//! The two fast paths alone, for docs/hot-path.md: what the compiler makes of an allocation and of a free.
//!
//! ```text
//! cargo build --release -p heapledger-alloc --example hot_path
//! objdump -d --no-show-raw-insn -M intel target/release/examples/hot_path
//! ```

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

use heapledger_alloc::Ledger;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

const ALIGN: usize = 8;

/// # Safety
/// * `size` is not zero, and a valid size.
#[inline(never)]
unsafe fn fast_alloc(size: usize) -> *mut u8 {
    // SAFETY: the alignment is a power of two; the size by the caller.
    let layout = unsafe { Layout::from_size_align_unchecked(size, ALIGN) };
    // SAFETY: by the caller.
    unsafe { LEDGER.alloc(layout) }
}

/// # Safety
/// * `block` came from `fast_alloc` with this size.
#[inline(never)]
unsafe fn fast_free(block: *mut u8, size: usize) {
    // SAFETY: the alignment is a power of two; the size by the caller.
    let layout = unsafe { Layout::from_size_align_unchecked(size, ALIGN) };
    // SAFETY: by the caller.
    unsafe { LEDGER.dealloc(block, layout) }
}

fn main() {
    for size in 1..=black_box(512) {
        // SAFETY: the size is not zero.
        let block = unsafe { fast_alloc(size) };
        assert!(!black_box(block).is_null(), "the machine is out of memory");
        // SAFETY: it was allocated just now with this size.
        unsafe { fast_free(block, size) };
    }
}
