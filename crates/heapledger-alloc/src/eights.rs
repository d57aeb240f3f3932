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

/// Whether each of the `len` numbers from `first` on is `wanted`. Relaxed loads.
///
/// # Safety
/// * They lie side by side, and behind them, or partly among them, is as much as [`EIGHT`] that may be read.
#[inline(always)]
pub(crate) unsafe fn are(first: &AtomicU16, len: usize, wanted: u16) -> bool {
    // SAFETY: by the caller.
    unsafe { wide::are(first, len, wanted) }
}

/// Whether each of `entries` is `wanted`. Relaxed loads. Shorter and slower than `are`.
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

    /// # Safety
    /// * As for `super::are`.
    #[inline(always)]
    pub(super) unsafe fn are(first: &AtomicU16, len: usize, wanted: u16) -> bool {
        let place: *const u8 = core::ptr::from_ref(first).cast();
        if len > EIGHT {
            // SAFETY: by the caller, and eight of them are sixteen bytes.
            return unsafe { all(place, size_of::<AtomicU16>() * len, sixteen([wanted; EIGHT])) };
        }
        // SAFETY: by the caller so much may be read, whatever it is.
        let alike = unsafe { alike(place, sixteen([wanted; EIGHT])) };
        // Two bits for each; those of what is behind them are left out.
        !alike & ((1 << (2 * len)) - 1) == 0
    }

    #[inline(always)]
    pub(super) fn all_are(entries: &[AtomicU16], wanted: u16) -> bool {
        // SAFETY: the caller has eight of them, or more.
        unsafe { all_apart(entries.as_ptr().cast(), size_of_val(entries), sixteen([wanted; EIGHT])) }
    }

    #[inline(always)]
    pub(super) fn words_are(words: &[AtomicU64], wanted: u16) -> bool {
        let wanted = sixteen([wanted, 0, 0, 0, wanted, 0, 0, 0]);
        // SAFETY: the caller has two of them, or more; on this target the low 16 bits of a word come first.
        unsafe { all_apart(words.as_ptr().cast(), size_of_val(words), wanted) }
    }

    /// # Safety
    /// * As for `all`.
    #[inline(never)]
    unsafe fn all_apart(place: *const u8, len: usize, wanted: __m128i) -> bool {
        // SAFETY: by the caller.
        unsafe { all(place, len, wanted) }
    }

    #[inline(always)]
    fn sixteen(eight: [u16; EIGHT]) -> __m128i {
        // SAFETY: both are 16 bytes of numbers, of which all patterns are values.
        unsafe { core::mem::transmute::<[u16; EIGHT], __m128i>(eight) }
    }

    /// Whether the `len` bytes at `place` are `wanted` over and over.
    ///
    /// # Safety
    /// * They are borrowed numbers, and at least [`SIXTEEN`] bytes.
    #[inline(always)]
    unsafe fn all(place: *const u8, len: usize, wanted: __m128i) -> bool {
        let mut seen = Seen { any: wanted, every: wanted };
        // SAFETY: these bytes are among the caller's.
        unsafe { seen.add(place) };
        // Whole numbers on, as they are aligned too. What was between has been seen.
        let mut at = (place as usize).next_multiple_of(SIXTEEN);
        let end = place as usize + len;
        let last_line = end.wrapping_sub(LINE);
        while at <= last_line {
            // SAFETY: as above.
            unsafe { seen.add_line(place.with_addr(at)) };
            at += LINE;
        }
        while at + SIXTEEN < end {
            // SAFETY: as above.
            unsafe { seen.add(place.with_addr(at)) };
            at += SIXTEEN;
        }
        // The last, some of them perhaps a second time: a whole number of lanes before the end.
        // SAFETY: there are at least so many.
        unsafe { seen.add(place.with_addr(end - SIXTEEN)) };
        seen.only(wanted)
    }

    /// Which bits were set in any of several times sixteen bytes, and which in every one: if both are as wanted, all
    /// were.
    struct Seen {
        any: __m128i,
        every: __m128i,
    }

    impl Seen {
        /// # Safety
        /// * The [`SIXTEEN`] bytes at `place` are borrowed numbers.
        #[inline(always)]
        unsafe fn add(&mut self, place: *const u8) {
            // SAFETY: reads the 16 bytes that are borrowed and nothing else.
            unsafe {
                asm!(
                    "movdqu {loaded}, xmmword ptr [{place}]",
                    "por {any}, {loaded}",
                    "pand {every}, {loaded}",
                    loaded = out(xmm_reg) _,
                    any = inout(xmm_reg) self.any,
                    every = inout(xmm_reg) self.every,
                    place = in(reg) place,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }

        /// # Safety
        /// * The [`LINE`] bytes at `line` are borrowed numbers, and `line` is a multiple of [`SIXTEEN`].
        #[inline(always)]
        unsafe fn add_line(&mut self, line: *const u8) {
            // PERF: eleven instructions with those of the loop around it, where word after word takes forty.
            // SAFETY: reads the 64 bytes that are borrowed and nothing else, aligned as these instructions want them.
            unsafe {
                asm!(
                    "por {any}, xmmword ptr [{line}]",
                    "pand {every}, xmmword ptr [{line}]",
                    "por {any}, xmmword ptr [{line} + 16]",
                    "pand {every}, xmmword ptr [{line} + 16]",
                    "por {any}, xmmword ptr [{line} + 32]",
                    "pand {every}, xmmword ptr [{line} + 32]",
                    "por {any}, xmmword ptr [{line} + 48]",
                    "pand {every}, xmmword ptr [{line} + 48]",
                    any = inout(xmm_reg) self.any,
                    every = inout(xmm_reg) self.every,
                    line = in(reg) line,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }

        #[inline(always)]
        fn only(self, wanted: __m128i) -> bool {
            let alike: u32;
            // SAFETY: changes only what it is given.
            unsafe {
                asm!(
                    "pcmpeqb {any}, {wanted}",
                    "pcmpeqb {every}, {wanted}",
                    "pand {any}, {every}",
                    "pmovmskb {alike:e}, {any}",
                    any = inout(xmm_reg) self.any => _,
                    every = inout(xmm_reg) self.every => _,
                    wanted = in(xmm_reg) wanted,
                    alike = lateout(reg) alike,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            alike == ALIKE
        }
    }

    /// A bit for each of sixteen bytes that is as wanted, the first one lowest.
    ///
    /// # Safety
    /// * The [`SIXTEEN`] bytes at `place` may be read.
    #[inline(always)]
    unsafe fn alike(place: *const u8, wanted: __m128i) -> u32 {
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
        alike
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod wide {
    use super::{AtomicU16, AtomicU64, EIGHT, Relaxed};

    pub(super) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
        core::array::from_fn(|lane| entries[lane].load(Relaxed))
    }

    /// # Safety
    /// * As for `super::are`.
    pub(super) unsafe fn are(first: &AtomicU16, len: usize, wanted: u16) -> bool {
        // SAFETY: by the caller they lie side by side.
        unsafe { core::slice::from_raw_parts(first, len) }.iter().all(|entry| entry.load(Relaxed) == wanted)
    }

    pub(super) fn all_are(entries: &[AtomicU16], wanted: u16) -> bool {
        entries.iter().all(|entry| entry.load(Relaxed) == wanted)
    }

    pub(super) fn words_are(words: &[AtomicU64], wanted: u16) -> bool {
        words.iter().all(|word| word.load(Relaxed) == u64::from(wanted))
    }
}
