//! What the dynamic loader allocated for itself before any other code ran: its records of loaded objects, and the
//! thread-local variables of the main thread.
//!
//! It keeps them in pages that it maps without a name. All is read through the kernel, which refuses and does not
//! fault; no lock of the loader's is taken.

use super::memory::{auxiliary, peek, peek_all, this_thread};

/// The public beginning of glibc's record of an object, and what its own part has at least.
const OBJECT_BYTES: usize = 1024;
const OBJECT_WORDS: usize = OBJECT_BYTES / 8;
/// Ends of mappings are at multiples of this at least.
const SMALLEST_PAGE_BYTES: u64 = 4096;
/// Objects that are looked at; the list may be changing.
const OBJECTS_AT_MOST: usize = 1024;
/// What a thread's record has at least.
const RECORD_BYTES: usize = 1024;
const RECORD_WORDS: usize = 7;
/// Thread-local variables of objects that were loaded at the start lie so near to the record at most.
const VARIABLES_BYTES_AT_MOST: usize = 16 << 20;
const MODULES_AT_MOST: usize = 1024;
const MODULES_TOGETHER: usize = 32;

const SEGMENT_WORDS: usize = 7;
const SEGMENT_BYTES: usize = 8 * SEGMENT_WORDS;
const SEGMENT_DYNAMIC: u64 = 2;
const SEGMENT_HEADERS: u64 = 6;
const TAG_END: u64 = 0;
const TAG_DEBUG: u64 = 21;
/// Entries of a program's dynamic section; there are about thirty kinds.
const ENTRIES_AT_MOST: usize = 256;

/// A thread's record. By the ABI of x86-64 its first word is its own address; glibc repeats that in the third word, and
/// has two secrets in the sixth and seventh that are the same for all threads of a process.
#[derive(Copy, Clone, Debug)]
pub(crate) struct ThreadRecord {
    address: usize,
    words: [u64; RECORD_WORDS],
}

impl ThreadRecord {
    /// The calling thread's; `None` if the C library's are of another kind.
    pub(crate) fn of_this_thread() -> Option<Self> {
        if cfg!(not(target_arch = "x86_64")) {
            return None;
        }
        let address = this_thread();
        let words = peek::<RECORD_WORDS>(address)?;
        (words[0] == address as u64 && words[2] == address as u64).then_some(Self { address, words })
    }

    /// Where another thread's record begins among the words that were read at an address.
    pub(crate) fn find_another(&self, address: usize, words: &[u64]) -> Option<usize> {
        let mut places = (address..).step_by(8).zip(words.windows(RECORD_WORDS));
        let [.., canary, pointers] = self.words;
        let is_one = |(at, words): &(usize, &[u64])| {
            words[0] == *at as u64 && words[2] == *at as u64 && words[5] == canary && words[6] == pointers
        };
        places.find(is_one).map(|(at, _)| at)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

/// Calls `each` with the ranges that the record at this address tells of: itself, the variables before it, and the list
/// of where these are.
pub(crate) fn for_each_range_of_thread(record: usize, mut each: impl FnMut(usize, usize)) {
    let mut start = record;
    if let Some([_, list]) = peek::<2>(record).map(|words| words.map(|word| word as usize)) {
        let modules = list.checked_sub(16).and_then(peek::<1>).map_or(0, |[count]| count as usize);
        let modules = modules.min(MODULES_AT_MOST);
        for first in (1..=modules).step_by(MODULES_TOGETHER) {
            let mut places = [[0; 2]; MODULES_TOGETHER];
            let places = &mut places[..MODULES_TOGETHER.min(modules + 1 - first)];
            let read = list.checked_add(16 * first).is_some_and(|at| peek_all(at, places.as_flattened_mut()));
            for [variables, _] in places.iter().take_while(|_| read) {
                let variables = *variables as usize;
                if variables < record && record - variables <= VARIABLES_BYTES_AT_MOST {
                    start = start.min(variables);
                }
            }
        }
        if modules > 0 {
            each(list - 16, list.saturating_add(16 * (modules + 1)));
        }
    }
    each(start, record.saturating_add(RECORD_BYTES));
}

/// Calls `each` with the ranges of the loader's records of loaded objects, and with what these point to: names,
/// versions, lists. `debug` is the [`debug_record`].
pub(crate) fn for_each_object(debug: usize, mut each: impl FnMut(usize, usize)) {
    let Some([_, mut object]) = peek::<2>(debug).map(|words| words.map(|word| word as usize)) else { return };
    let mut before = 0;
    for _ in 0..OBJECTS_AT_MOST {
        // Shift, name, dynamic section, the next and the one before: which must be where we came from.
        let Some(words) = peek::<OBJECT_WORDS>(object) else { return };
        let [next, previous] = [words[3], words[4]];
        if previous as usize != before {
            return;
        }
        each(object, object.saturating_add(OBJECT_BYTES));
        // Whole pages are ends of mappings, behind which anything may lie.
        let points =
            |word: &&u64| word.is_multiple_of(8) && !word.is_multiple_of(SMALLEST_PAGE_BYTES) && *word >> 47 == 0;
        for place in words.iter().filter(points).map(|word| *word as usize) {
            each(place, place.saturating_add(8));
        }
        (before, object) = (object, next as usize);
    }
}

/// Where the program's dynamic section says that the loader's word for debuggers is; that never changes. `None` in a
/// program without a loader.
pub(crate) fn debug_record() -> Option<usize> {
    let (headers, count) = (auxiliary(libc::AT_PHDR), auxiliary(libc::AT_PHNUM));
    let segments = || (0..count.min(64)).filter_map(|index| peek::<SEGMENT_WORDS>(headers + index * SEGMENT_BYTES));
    let of_kind = |kind: u64| segments().find(|words| words[0] & u64::from(u32::MAX) == kind);
    let shift = headers.wrapping_sub(of_kind(SEGMENT_HEADERS)?[2] as usize);
    let dynamic = shift.wrapping_add(of_kind(SEGMENT_DYNAMIC)?[2] as usize);
    let entries = (0..ENTRIES_AT_MOST).map_while(|index| peek::<2>(dynamic + 16 * index));
    let debug = entries.take_while(|entry| entry[0] != TAG_END).find(|entry| entry[0] == TAG_DEBUG)?;
    usize::try_from(debug[1]).ok().filter(|address| *address != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    fn another_thread_has_a_record_like_this_ones() {
        let ours = ThreadRecord::of_this_thread().expect("glibc has records");
        let (address, words) = std::thread::spawn(|| {
            let theirs = ThreadRecord::of_this_thread().expect("glibc has records");
            (theirs.address, theirs.words)
        })
        .join()
        .expect("the thread ends well");
        assert_eq!(ours.find_another(address, &words), Some(address));
        assert_eq!(ours.find_another(address + 8, &words), None, "it names its own address");
        let mut other = words;
        other[5] = !other[5];
        assert_eq!(ours.find_another(address, &other), None, "it knows the secret");
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    fn the_variables_of_this_thread_lie_before_its_record() {
        std::thread_local! {
            static VARIABLE: std::cell::Cell<u64> = const { std::cell::Cell::new(1) };
        }
        let place = VARIABLE.with(|variable| std::ptr::from_ref(variable) as usize);
        let record = ThreadRecord::of_this_thread().expect("glibc has records").address;
        let mut ranges = Vec::new();
        for_each_range_of_thread(record, |start, end| ranges.push((start, end)));
        assert!(ranges.iter().any(|(start, end)| (*start..*end).contains(&place)), "{place:x} {ranges:x?}");
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    fn the_program_and_its_libraries_have_records() {
        let mut count = 0;
        for_each_object(debug_record().expect("glibc has one"), |start, end| count += usize::from(start < end));
        // At least the program, the C library and the loader itself.
        assert!(count >= 3, "{count}");
    }
}
