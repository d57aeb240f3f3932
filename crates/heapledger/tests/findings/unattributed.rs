//! A mapping that nobody names.

use heapledger::{Figure, FindingId, LineId};
use heapledger_harness::again;

use crate::MIB;
use crate::gain::{assert_gained, assert_not_gained, find, found, ready, take};

#[test]
fn a_mapping_that_nobody_names_is_found_by_its_range() {
    again::run("unattributed::subject_unattributed", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_unattributed() {
    const BYTES: usize = 64 * MIB;
    const PAGE: usize = 4096;
    let map = |at: *mut libc::c_void, bytes: usize, access: i32, more: i32| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | more;
        // SAFETY: a new mapping, or one in place of a part of the one below, which nobody uses yet.
        let mapped = unsafe { libc::mmap(at, bytes, access, flags, -1, 0) };
        assert_ne!(mapped, libc::MAP_FAILED);
        mapped
    };
    ready();
    // Closed pages on both sides, so that it is joined with nobody's.
    let around = map(std::ptr::null_mut(), BYTES + 2 * PAGE, libc::PROT_NONE, 0);
    let inside = around.wrapping_byte_add(PAGE);
    let memory = map(inside, BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_FIXED);
    // SAFETY: the mapping has so many bytes, and nobody else has it.
    unsafe { libc::memset(memory, 1, BYTES) };

    let before = take();
    let finding = found(&before, FindingId::UnattributedMappings);
    let (start, end) = (memory.addr(), memory.addr() + BYTES);
    assert!(finding.says.contains(&format!("{start:x}-{end:x}")), "{finding}");
    assert_eq!((finding.gain_on, &finding.gain), (LineId::Unattributed, &Figure::Exact(BYTES as i64)));
    assert_not_gained(&finding, &before, &take());

    // To the letter: its two numbers, and no others.
    let condition = "once nobody needs it, and whoever mapped it does not unmap it: libc::munmap(";
    let arguments = finding.remedy.strip_prefix(condition).and_then(|rest| rest.strip_suffix(')'));
    let numbers: Vec<usize> = arguments
        .expect("it is a call of munmap")
        .split(", ")
        .map(|word| word.split(' ').next().and_then(|hex| hex.strip_prefix("0x")).expect("it is hexadecimal"))
        .map(|hex| usize::from_str_radix(hex, 16).expect("it is a number"))
        .collect();
    assert_eq!(numbers, [start, BYTES]);
    // SAFETY: it is the mapping of above, of which nothing is used any more.
    assert_eq!(unsafe { libc::munmap(memory.with_addr(numbers[0]), numbers[1]) }, 0);
    let after = take();
    assert_gained(&finding, &before, &after);
    assert_eq!(find(&after, FindingId::UnattributedMappings), None);
}
