//! jemalloc's size classes, as arithmetic.
//!
//! Derived from the rule (four classes per doubling, a quantum of 16 bytes, 4 KiB pages) and compared in a test with
//! what the allocator that is linked says of every size.

use crate::places::{END, Place, small_blocks};

/// How many small size classes jemalloc has with 4 KiB pages; their blocks share slabs.
pub const SMALL_CLASSES: usize = 36;
const _: () = assert!(small_blocks(SMALL_CLASSES) <= END, "each class has a counter");

/// Usable bytes of the largest small class.
pub(crate) const SMALL_MAX_BYTES: usize = 14_336;

/// Bytes of a page of the owner map, and of jemalloc's.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The first class of which no two blocks start in one page: such a block has its page's word for itself.
pub(crate) const FIRST_PAGED_CLASS: usize = 28;

/// The first class whose blocks reach beyond the page that they start in.
pub(crate) const FIRST_WIDE_CLASS: usize = 29;

/// jemalloc guarantees this alignment to every block of at least as many bytes.
pub(crate) const QUANTUM_BYTES: usize = 16;

/// Largest alignment that jemalloc serves from slabs.
const SLAB_ALIGN_MAX_BYTES: usize = PAGE_BYTES;

/// Usable bytes of each small size class.
pub static CLASS_BYTES: [u32; SMALL_CLASSES] = class_bytes();

const fn class_bytes() -> [u32; SMALL_CLASSES] {
    let mut table = [0; SMALL_CLASSES];
    table[0] = 8;
    let mut class = 1;
    // Multiples of the quantum up to 128, then four steps per doubling.
    let mut bytes = 16_u32;
    let mut step = 16;
    while class < SMALL_CLASSES {
        table[class] = bytes;
        if bytes >= 128 && bytes.is_power_of_two() {
            step = bytes / 4;
        }
        bytes += step;
        class += 1;
    }
    table
}

/// Twice the class of a size up to 4 KiB, by `(size + 7) / 8`, as the words of mixed pages have it.
pub(crate) static PAIR_OF_EIGHTH: [u8; PAGE_BYTES / 8 + 1] = pair_of_eighth();

const fn pair_of_eighth() -> [u8; PAGE_BYTES / 8 + 1] {
    let classes = class_bytes();
    let mut table = [0; PAGE_BYTES / 8 + 1];
    let mut eighth = 0;
    let mut class: u8 = 0;
    while eighth < table.len() {
        while (classes[class as usize] as usize) < eighth * 8 {
            class += 1;
        }
        table[eighth] = 2 * class;
        eighth += 1;
    }
    table
}

/// Where blocks of a size up to 4 KiB are counted, by `(size + 7) / 8`: a packed [`Place`].
pub(crate) static PLACE_OF_EIGHTH: [u32; PAGE_BYTES / 8 + 1] = place_of_eighth();

const fn place_of_eighth() -> [u32; PAGE_BYTES / 8 + 1] {
    let pairs = pair_of_eighth();
    let mut table = [0; PAGE_BYTES / 8 + 1];
    let mut eighth = 0;
    while eighth < table.len() {
        table[eighth] = Place::of(pairs[eighth] as usize / 2).packed();
        eighth += 1;
    }
    table
}

/// What the mixed path needs of a class, in one place of memory; 16 bytes, so that a pair indexes it directly.
pub(crate) struct Slots {
    /// `ceil(2^22 / bytes)`: a multiplication in place of the division by a class size, in 32 bits. Exact for every offset
    /// at which a block of the class can start (tested exhaustively): those are multiples of 8 for the first class and of
    /// 16 for the others, which leaves room for the error of the reciprocal, less than 4 bytes at the end of a page.
    reciprocal: u32,
    /// From this offset on, no further block of the class starts in the page.
    pub(crate) last_offset: u32,
    /// Where its blocks are counted.
    pub(crate) place: Place,
}

const RECIPROCAL_SHIFT: u32 = 22;

/// By class.
pub(crate) static SLOTS: [Slots; SMALL_CLASSES] = slots();
const _: () = assert!(size_of::<Slots>() == 16);

const fn slots() -> [Slots; SMALL_CLASSES] {
    let classes = class_bytes();
    let mut table = [const { Slots { reciprocal: 0, last_offset: 0, place: Place::of(0) } }; SMALL_CLASSES];
    let mut class = 0;
    while class < SMALL_CLASSES {
        let bytes = classes[class];
        let within_page = if bytes < PAGE_BYTES as u32 { bytes } else { PAGE_BYTES as u32 };
        let last_offset = PAGE_BYTES as u32 - within_page;
        let reciprocal = (1_u32 << RECIPROCAL_SHIFT).div_ceil(bytes);
        table[class] = Slots { reciprocal, last_offset, place: Place::of(class) };
        class += 1;
    }
    table
}

impl Slots {
    /// Which of the blocks that start in a page starts at `offset`, which is below a page: 0 for the first. Different
    /// starts have different slots.
    #[inline(always)]
    pub(crate) fn slot_of(&self, offset: u32) -> usize {
        (offset.wrapping_mul(self.reciprocal) >> RECIPROCAL_SHIFT) as usize
    }
}

/// As [`Slots::slot_of`].
#[inline(always)]
pub(crate) fn slot_of(class: usize, offset: usize) -> usize {
    SLOTS[class].slot_of(offset as u32)
}

/// How many blocks of a class can start in one page.
pub(crate) const fn slots_per_page(class: usize) -> usize {
    PAGE_BYTES.div_ceil(CLASS_BYTES_CONST[class] as usize)
}

const CLASS_BYTES_CONST: [u32; SMALL_CLASSES] = class_bytes();

/// How many blocks of the class start in the page in which one starts at `offset`.
pub(crate) fn slots_in_page(class: usize, offset: usize) -> usize {
    let bytes = CLASS_BYTES[class] as usize;
    (PAGE_BYTES - 1 - offset % bytes) / bytes + 1
}

/// Where jemalloc puts a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// In a slab, with blocks of the same class.
    Small {
        /// Its size class.
        class: usize,
    },
    /// In pages of its own.
    Large {
        /// Its usable bytes.
        usable_bytes: usize,
    },
}

impl Shape {
    /// The shape of a block of `size` bytes at `align`. For a large one `usable_bytes` is asked, with both.
    ///
    /// Asked rather than computed: whether large sizes are rounded to a page or to four classes per doubling is a
    /// setting of jemalloc (`opt.disable_large_size_classes`).
    #[inline]
    pub(crate) fn of(size: usize, align: usize, usable_bytes: impl FnOnce(usize, usize) -> usize) -> Shape {
        let size = size.max(1);
        // So jemalloc rounds where it is told the alignment; where it is not, the class is the same.
        let padded = size.next_multiple_of(align);
        if padded <= SMALL_MAX_BYTES && align <= SLAB_ALIGN_MAX_BYTES {
            return Shape::Small { class: small_class(padded) };
        }
        Shape::Large { usable_bytes: usable_bytes(size, align) }
    }
}

/// Where a size up to 4 KiB is found in [`PAIR_OF_EIGHTH`].
#[inline(always)]
pub(crate) const fn eighth(size: usize) -> usize {
    // `div_ceil` would cost three instructions more; the sum cannot overflow for these sizes.
    (size + 7) >> 3
}

/// Whether jemalloc aligns a block of this size by itself, so that `tikv-jemallocator` passes no alignment.
#[inline(always)]
pub(crate) fn needs_no_flag(size: usize, align: usize) -> bool {
    align <= QUANTUM_BYTES && align <= size
}

/// The class of a size up to [`SMALL_MAX_BYTES`].
pub(crate) fn small_class(size: usize) -> usize {
    if size <= PAGE_BYTES {
        return usize::from(PAIR_OF_EIGHTH[eighth(size)]) / 2;
    }
    let first = FIRST_WIDE_CLASS;
    first + CLASS_BYTES[first..].iter().take_while(|&&bytes| (bytes as usize) < size).count()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_start_of_a_block_has_the_slot_that_division_gives() {
        for (class, &bytes) in CLASS_BYTES.iter().enumerate() {
            // What blocks of the class are aligned to, in slabs of any number of pages.
            let step = 1 << bytes.trailing_zeros();
            assert!(step >= if class == 0 { 8 } else { QUANTUM_BYTES });
            for offset in (0..PAGE_BYTES).step_by(step) {
                assert_eq!(slot_of(class, offset), offset / bytes as usize, "class {class} offset {offset}");
            }
        }
    }

    #[test]
    fn small_classes_are_those_of_the_linked_allocator() {
        let (mut small, mut large) = (0, 0);
        for size in 1..=4 * SMALL_MAX_BYTES {
            for exponent in 0..=21 {
                let align = 1_usize << exponent;
                let flags = if needs_no_flag(size, align) { 0 } else { exponent };
                // SAFETY: nallocx only computes; the size is not zero and the flags hold a valid alignment.
                let usable = unsafe { tikv_jemalloc_sys::nallocx(size, flags) };
                match Shape::of(size, align, |_, _| 0) {
                    Shape::Small { class } => {
                        assert_eq!(CLASS_BYTES[class] as usize, usable, "size {size} align {align}");
                        small += 1;
                    }
                    Shape::Large { .. } => {
                        assert!(usable > SMALL_MAX_BYTES, "size {size} align {align}");
                        large += 1;
                    }
                }
            }
        }
        assert!(small > 0 && large > 0, "both shapes were compared");
    }
}
