//! What glibc says of its own heap.
#![allow(unsafe_code)]

use super::GlibcHeaps;
use super::memory::weak_symbol;

/// `struct mallinfo2`, of which the fifth number is bytes in mappings.
type Mallinfo2 = unsafe extern "C" fn() -> [usize; 10];

/// Bytes of blocks that glibc mapped one by one (`mallinfo2().hblkhd`); `None` if this C library has no such call.
///
/// Looks at glibc's free lists, so its cost grows with their number; takes glibc's lock.
pub(crate) fn mmapped_bytes() -> Option<usize> {
    mallinfo2()?.get(4).copied()
}

/// What lies in glibc's heaps (`uordblks`, `fordblks`, `ordblks` and `smblks`); as above.
pub(crate) fn heaps() -> Option<GlibcHeaps> {
    let [_, free_pieces, smallest, _, _, _, _, used, free, _] = mallinfo2()?.map(|number| number as u64);
    Some(GlibcHeaps { used_bytes: used, free_bytes: free, free_pieces: free_pieces.checked_add(smallest)? })
}

fn mallinfo2() -> Option<[usize; 10]> {
    if !cfg!(target_env = "gnu") {
        return None;
    }
    // Linked rather than looked up: the loader would be asked under a lock that a forked child can find held.
    let address = weak_symbol!("mallinfo2");
    if address == 0 {
        return None;
    }
    // SAFETY: this is the type of that function: it takes nothing and gives ten sizes.
    let mallinfo2 = unsafe { std::mem::transmute::<usize, Mallinfo2>(address) };
    // SAFETY: it has no preconditions.
    Some(unsafe { mallinfo2() })
}
