//! Numbers that lie side by side, several with one load: compilers do not join atomic loads.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU16, AtomicU64};

/// Numbers of 16 bits that one instruction loads.
pub(crate) const EIGHT: usize = 8;

/// Eight relaxed loads.
#[inline(always)]
pub(crate) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
    wide::load_eight(entries)
}

/// Whether each of `entries` is `wanted`. Relaxed loads.
#[inline(always)]
pub(crate) fn all_are(entries: &[AtomicU16], wanted: u16) -> bool {
    if entries.len() < EIGHT {
        return entries.iter().all(|entry| entry.load(Relaxed) == wanted);
    }
    wide::all_are(entries, wanted)
}

/// Whether each of `words` is `wanted`, of which only the low 16 bits are used. Relaxed loads.
#[inline(always)]
pub(crate) fn words_are(words: &[AtomicU64], wanted: u16) -> bool {
    if words.len() < 2 {
        return words.iter().all(|word| word.load(Relaxed) == u64::from(wanted));
    }
    wide::words_are(words, wanted)
}

/// An aligned part of a word is read as a whole whatever the width of the instruction, so each lane is what a relaxed load
/// of its number could have given.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod wide {
    use super::{AtomicU16, AtomicU64, EIGHT};
    use core::arch::asm;
    use core::arch::x86_64::__m128i;

    const SIXTEEN: usize = size_of::<__m128i>();
    const LINE: usize = 4 * SIXTEEN;
    /// What `pmovmskb` gives if all bytes are alike.
    const ALIKE: u32 = 0xffff;

    #[inline(always)]
    pub(super) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
        let loaded: __m128i;
        // PERF: one by one they take half of the time that a statement spends on a mixed page.
        // SAFETY: reads the 16 bytes that are borrowed and nothing else.
        unsafe {
            asm!(
                "movdqu {loaded}, xmmword ptr [{entries}]",
                loaded = lateout(xmm_reg) loaded,
                entries = in(reg) entries.as_ptr(),
                options(readonly, nostack, preserves_flags),
            );
        }
        // SAFETY: both are 16 bytes of numbers, of which all patterns are values.
        unsafe { core::mem::transmute::<__m128i, [u16; EIGHT]>(loaded) }
    }

    #[inline(always)]
    pub(super) fn all_are(entries: &[AtomicU16], wanted: u16) -> bool {
        // SAFETY: the caller has eight of them, or more.
        unsafe { all(entries.as_ptr().cast(), size_of_val(entries), [wanted; EIGHT]) }
    }

    #[inline(always)]
    pub(super) fn words_are(words: &[AtomicU64], wanted: u16) -> bool {
        // SAFETY: the caller has two of them, or more; on this target the low 16 bits of a word come first.
        unsafe { all(words.as_ptr().cast(), size_of_val(words), [wanted, 0, 0, 0, wanted, 0, 0, 0]) }
    }

    /// Whether the `len` bytes at `place` are `wanted` over and over.
    ///
    /// # Safety
    /// * They are borrowed numbers, and at least [`SIXTEEN`] bytes.
    #[inline(never)]
    unsafe fn all(place: *const u8, len: usize, wanted: [u16; EIGHT]) -> bool {
        // SAFETY: both are 16 bytes of numbers, of which all patterns are values.
        let wanted = unsafe { core::mem::transmute::<[u16; EIGHT], __m128i>(wanted) };
        let mut at = 0;
        while len - at >= LINE {
            // SAFETY: these bytes are among the caller's.
            if !unsafe { line_is(place.wrapping_add(at), wanted) } {
                return false;
            }
            at += LINE;
        }
        while len - at > SIXTEEN {
            // SAFETY: as above.
            if !unsafe { sixteen_are(place.wrapping_add(at), wanted) } {
                return false;
            }
            at += SIXTEEN;
        }
        // The last, some of them perhaps a second time: a whole number of lanes before the end.
        // SAFETY: there are at least so many.
        at == len || unsafe { sixteen_are(place.wrapping_add(len - SIXTEEN), wanted) }
    }

    /// # Safety
    /// * The [`LINE`] bytes at `line` are borrowed numbers.
    #[inline(always)]
    unsafe fn line_is(line: *const u8, wanted: __m128i) -> bool {
        let alike: u32;
        // PERF: sixteen instructions with those of the loop around it, where word after word takes forty.
        // SAFETY: reads the 64 bytes that are borrowed and nothing else.
        unsafe {
            asm!(
                "movdqu {one}, xmmword ptr [{line}]",
                "pcmpeqb {one}, {wanted}",
                "movdqu {other}, xmmword ptr [{line} + 16]",
                "pcmpeqb {other}, {wanted}",
                "pand {one}, {other}",
                "movdqu {other}, xmmword ptr [{line} + 32]",
                "pcmpeqb {other}, {wanted}",
                "pand {one}, {other}",
                "movdqu {other}, xmmword ptr [{line} + 48]",
                "pcmpeqb {other}, {wanted}",
                "pand {one}, {other}",
                "pmovmskb {alike:e}, {one}",
                one = out(xmm_reg) _,
                other = out(xmm_reg) _,
                wanted = in(xmm_reg) wanted,
                line = in(reg) line,
                alike = lateout(reg) alike,
                options(readonly, nostack, preserves_flags),
            );
        }
        alike == ALIKE
    }

    /// # Safety
    /// * The [`SIXTEEN`] bytes at `place` are borrowed numbers.
    #[inline(always)]
    unsafe fn sixteen_are(place: *const u8, wanted: __m128i) -> bool {
        let alike: u32;
        // SAFETY: reads the 16 bytes that are borrowed and nothing else.
        unsafe {
            asm!(
                "movdqu {loaded}, xmmword ptr [{place}]",
                "pcmpeqb {loaded}, {wanted}",
                "pmovmskb {alike:e}, {loaded}",
                loaded = out(xmm_reg) _,
                wanted = in(xmm_reg) wanted,
                place = in(reg) place,
                alike = lateout(reg) alike,
                options(readonly, nostack, preserves_flags),
            );
        }
        alike == ALIKE
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod wide {
    use super::{AtomicU16, AtomicU64, EIGHT, Relaxed};

    pub(super) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
        core::array::from_fn(|lane| entries[lane].load(Relaxed))
    }

    pub(super) fn all_are(entries: &[AtomicU16], wanted: u16) -> bool {
        entries.iter().all(|entry| entry.load(Relaxed) == wanted)
    }

    pub(super) fn words_are(words: &[AtomicU64], wanted: u16) -> bool {
        words.iter().all(|word| word.load(Relaxed) == u64::from(wanted))
    }
}
