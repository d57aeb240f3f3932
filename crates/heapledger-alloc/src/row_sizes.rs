//! Sizes of rows of owners, and which classes of pages a row serves.

use crate::classes::{SMALL_CLASSES, slots_per_page};

/// In bytes.
pub(crate) const SIZES: [usize; 8] = [32, 64, 96, 128, 192, 256, 512, 1024];

/// Which size is that of a class.
static OF_CLASS: [u8; SMALL_CLASSES] = of_class();

const fn of_class() -> [u8; SMALL_CLASSES] {
    let mut table = [0; SMALL_CLASSES];
    let mut class = 0;
    while class < SMALL_CLASSES {
        let bytes = slots_per_page(class) * size_of::<u16>();
        while SIZES[table[class] as usize] < bytes {
            table[class] += 1;
        }
        class += 1;
    }
    table
}

/// Which of [`SIZES`] the rows that are taken for a class have: the first that fits its slots.
#[inline]
pub(crate) fn size_of_class(class: usize) -> usize {
    usize::from(OF_CLASS[class])
}

/// Whether a row of this size serves pages of a class, and at most half of it is unused.
#[inline]
pub(crate) fn serves(size: usize, class: usize) -> bool {
    let taken = SIZES[size_of_class(class)];
    (taken..=2 * taken).contains(&SIZES[size])
}
