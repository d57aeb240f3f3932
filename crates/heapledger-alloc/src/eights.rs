//! Eight numbers with one load: compilers do not join atomic loads.

use core::sync::atomic::AtomicU16;

/// Numbers that one instruction loads.
pub(crate) const EIGHT: usize = 8;

/// Eight relaxed loads.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub(crate) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
    let tags: core::arch::x86_64::__m128i;
    // PERF: one by one they take half of the time that a statement spends on a mixed page.
    // SAFETY: reads the 16 bytes that are borrowed and nothing else. An aligned half of a word is read as a whole
    // whatever the width of the instruction, so each lane is what a relaxed load of its entry could have given.
    unsafe {
        core::arch::asm!(
            "movdqu {tags}, xmmword ptr [{entries}]",
            tags = lateout(xmm_reg) tags,
            entries = in(reg) entries.as_ptr(),
            options(readonly, nostack, preserves_flags),
        );
    }
    // SAFETY: both are 16 bytes of numbers, of which all patterns are values.
    unsafe { core::mem::transmute::<core::arch::x86_64::__m128i, [u16; EIGHT]>(tags) }
}

/// Eight relaxed loads.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
pub(crate) fn load_eight(entries: &[AtomicU16; EIGHT]) -> [u16; EIGHT] {
    core::array::from_fn(|lane| entries[lane].load(core::sync::atomic::Ordering::Relaxed))
}
