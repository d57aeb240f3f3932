//! Reading memory of this process at addresses that may be wrong, and at addresses that were shown to be right.
#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

/// Asks the kernel for the words at an address: `None` where there is no memory that may be read, never a fault.
///
/// About 0.8 µs a call, so what lies together is asked for at once.
pub(crate) fn peek<const N: usize>(address: usize) -> Option<[u64; N]> {
    let mut words = [0_u64; N];
    peek_all(address, &mut words).then_some(words)
}

/// The same for as many words as `words` has. `false` where a part of them may not be read.
pub(crate) fn peek_all(address: usize, words: &mut [u64]) -> bool {
    let bytes = size_of_val(words);
    let to = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: bytes };
    let from = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes };
    // SAFETY: getpid has no preconditions.
    let pid = unsafe { libc::getpid() };
    // SAFETY: the kernel writes into `words`, which is borrowed for the call and as long as stated; what it reads from
    // it checks itself.
    let read = unsafe { libc::process_vm_readv(pid, &raw const to, 1, &raw const from, 1, 0) };
    usize::try_from(read) == Ok(bytes)
}

/// The word at an address.
///
/// Acquire, as jemalloc publishes the elements of its tree with Release: who sees an extent's record in one sees what
/// was written to the record before.
///
/// # Safety
///
/// * The address is a multiple of 8 inside memory that stays mapped and readable, and that only atomic or aligned
///   stores of whole words change.
#[inline(always)]
pub(crate) unsafe fn load(address: usize) -> u64 {
    // SAFETY: by the caller.
    let word = unsafe { AtomicU64::from_ptr(address as *mut u64) };
    word.load(Acquire)
}

/// Hints that an address is read soon. Any address may be named.
#[inline(always)]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The address of a symbol, 0 if the program has none of this name.
///
/// The reference is weak, so that a program without the symbol links too; the directive stands beside the use, because
/// it counts for one object file only.
macro_rules! weak_symbol {
    ($name:literal) => {{
        let address: usize;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: loads an entry of the global offset table, which the linker fills with the symbol's address or 0.
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, nomem, preserves_flags, nostack),
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(pure, nomem, preserves_flags, nostack),
            );
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            address = 0;
        }
        address
    }};
}
pub(super) use weak_symbol;

/// The address of jemalloc's radix tree; 0 if no jemalloc with that symbol is linked.
pub(crate) fn emap_symbol() -> usize {
    weak_symbol!("_rjem_je_arena_emap_global")
}

/// What the kernel told the program when it started; 0 if it did not.
pub(crate) fn auxiliary(kind: libc::c_ulong) -> usize {
    // SAFETY: no precondition; kinds that there are not give 0.
    unsafe { libc::getauxval(kind) as usize }
}

/// Where the C library's record of the calling thread is.
pub(crate) fn this_thread() -> usize {
    // SAFETY: no precondition.
    unsafe { libc::pthread_self() as usize }
}

/// Whether the calling thread is the one that the process began with.
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: no precondition.
    let process = unsafe { libc::getpid() };
    // SAFETY: no precondition.
    process == unsafe { libc::gettid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_there_is_read_and_memory_that_is_not_is_refused() {
        let words = [1_u64, 2, 3];
        assert_eq!(peek(words.as_ptr() as usize), Some(words));
        for nowhere in [0, 8, 4096, usize::MAX - 7, 1 << 47, 1 << 60] {
            assert_eq!(peek::<1>(nowhere), None, "{nowhere:x}");
            prefetch(nowhere);
        }
    }

    #[test]
    fn a_program_without_a_symbol_links_and_finds_nothing() {
        let address = weak_symbol!("heapledger_has_no_such_symbol");
        assert_eq!(address, 0);
    }

    #[test]
    fn the_symbol_of_the_linked_jemalloc_is_found() {
        let symbol = emap_symbol();
        assert!(symbol.is_multiple_of(8));
        assert_eq!(peek::<1>(symbol).is_some(), symbol != 0);
    }
}
