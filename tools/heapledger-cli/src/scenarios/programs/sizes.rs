//! jemalloc's size classes and slabs, as arithmetic: four classes to each doubling, slabs of whole pages.

use crate::scenarios::scene::PAGE;

/// The largest class whose blocks lie in slabs.
pub const SMALL_MAX: usize = 14336;

/// Bytes that a request is rounded up to.
pub const fn class_bytes(request: usize) -> usize {
    match request {
        0..=8 => 8,
        9..=16 => 16,
        // Four steps from one power of two to the next, and none below 16.
        _ => {
            let power = usize::BITS - (request - 1).leading_zeros();
            let step = 1 << (power - 3);
            request.next_multiple_of(if step < 16 { 16 } else { step })
        }
    }
}

/// Bytes of a slab of this class: the fewest pages that its slots fill without a rest.
pub const fn slab_bytes(class: usize) -> usize {
    let mut bytes = PAGE;
    while !bytes.is_multiple_of(class) {
        bytes += PAGE;
    }
    bytes
}

/// Blocks of a class that a thread may cache: twice a slab's, and 20 to 200 of them; of large classes 20.
pub const fn cached_blocks(class: usize) -> usize {
    let twice = 2 * (slab_bytes(class) / class);
    match twice {
        _ if class > SMALL_MAX => 20,
        0..20 => 20,
        20..=200 => twice,
        _ => 200,
    }
}

/// Bytes that jemalloc adds behind a large block, so that blocks may begin anywhere in their first page.
pub const LARGE_PAD: usize = PAGE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_manual() {
        let some = [(1, 8), (9, 16), (17, 32), (33, 48), (64, 64), (65, 80), (129, 160), (1024, 1024), (1025, 1280)];
        let more =
            [(8192, 8192), (14000, 14336), (14337, 16384), (20000, 20480), (1 << 20, 1 << 20), (3 << 27, 3 << 27)];
        for (request, class) in some.into_iter().chain(more) {
            assert_eq!(class_bytes(request), class, "{request}");
        }
    }

    #[test]
    fn slabs_hold_whole_slots() {
        for (class, bytes) in
            [(64, 4096), (48, 12288), (1024, 4096), (80, 20480), (8192, 8192), (2048, 4096), (14336, 28672)]
        {
            assert_eq!(slab_bytes(class), bytes, "{class}");
        }
        assert_eq!([64, 1024, 8192, 20480, 8].map(cached_blocks), [128, 20, 20, 20, 200]);
    }
}
