//! What jemalloc rounds large sizes to, and how it is told an alignment.

use core::sync::atomic::AtomicIsize;
use core::sync::atomic::Ordering::Relaxed;

use crate::classes::{PAGE_BYTES, SMALL_MAX_BYTES, needs_no_flag};

const UNKNOWN: isize = 0;
/// To pages, jemalloc's default, at alignments of up to a page: no larger one is below.
const TO_PAGES: isize = PAGE_BYTES as isize;
/// To size classes, or by a rule that we do not know: jemalloc is asked.
const ASKED: isize = -1;

/// A setting of jemalloc (`opt.disable_large_size_classes`), which it reads once, when it starts.
///
/// As the largest alignment at which sizes are known to be rounded to pages, so that one compare tells.
static ROUNDING: AtomicIsize = AtomicIsize::new(UNKNOWN);

/// Usable bytes of a block of `size` bytes at `align` that has pages of its own. `align` is a power of two.
#[inline]
pub(crate) fn large_usable_bytes(size: usize, align: usize) -> usize {
    if size > SMALL_MAX_BYTES && is_rounded_to_pages(align) { rounded_to_pages(size) } else { find_out(size, align) }
}

/// Whether sizes above [`SMALL_MAX_BYTES`] are known to be rounded to pages at this alignment, a power of two.
#[inline(always)]
pub(crate) fn is_rounded_to_pages(align: usize) -> bool {
    // Relaxed: the number alone matters, and every thread finds the same. Of such sizes no alignment becomes negative.
    align as isize <= ROUNDING.load(Relaxed)
}

/// Sizes of layouts do not overflow.
#[inline(always)]
pub(crate) fn rounded_to_pages(size: usize) -> usize {
    (size + (PAGE_BYTES - 1)) & !(PAGE_BYTES - 1)
}

#[cold]
#[inline(never)]
fn find_out(size: usize, align: usize) -> usize {
    if ROUNDING.load(Relaxed) == UNKNOWN {
        // One byte more than 21 pages: classes would make it 24.
        let pages_bytes = 21 * PAGE_BYTES;
        let by_pages = ask(pages_bytes + 1, 1) == pages_bytes + PAGE_BYTES;
        ROUNDING.store(if by_pages { TO_PAGES } else { ASKED }, Relaxed);
    }
    ask(size, align)
}

fn ask(size: usize, align: usize) -> usize {
    // SAFETY: nallocx only computes; the size is not 0, and the flags are those of the allocation.
    unsafe { tikv_jemalloc_sys::nallocx(size, align_flag(size, align)) }
}

/// The flag by which jemalloc is told an alignment, if it needs to be.
#[inline]
pub(crate) fn align_flag(size: usize, align: usize) -> i32 {
    if needs_no_flag(size, align) { 0 } else { tikv_jemalloc_sys::MALLOCX_ALIGN(align) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coprime to every page and class, so that sizes on and between their borders occur.
    const STEP: usize = 61;

    #[test]
    fn usable_bytes_are_those_that_jemalloc_tells() {
        let _ = find_out(SMALL_MAX_BYTES + 1, 1);
        assert_eq!(ROUNDING.load(Relaxed), TO_PAGES, "jemalloc's default, so that the arithmetic is what is compared");
        let borders = (4..600).flat_map(|pages| [pages * PAGE_BYTES - 1, pages * PAGE_BYTES, pages * PAGE_BYTES + 1]);
        for size in
            (SMALL_MAX_BYTES + 1..64 * SMALL_MAX_BYTES).step_by(STEP).chain(borders).chain([1 << 30, (1 << 40) + 1])
        {
            for exponent in 0..=21 {
                let align = 1 << exponent;
                assert_eq!(large_usable_bytes(size, align), ask(size, align), "size {size} align {align}");
            }
        }
    }
}
