//! Where the variables of the program and its libraries lie, by the headers of their files.
//!
//! The loader could be asked (`dl_iterate_phdr`), but it answers under a lock that a forked child can find held for
//! ever. So the headers are read where the files are mapped, through the kernel, which refuses and does not fault.

use super::mapbuf::MapList;
use super::maps::{Vma, VmaName};
use super::memory::{peek, peek_all};

/// Words of the header of an object, and of each header of a segment (64 bits).
const OBJECT_WORDS: usize = 8;
const SEGMENT_WORDS: usize = 7;
/// An object of more segments is left out; usual ones have about ten.
const HEADERS_AT_MOST: usize = 64;

/// The first bytes of an object of 64 bits with the least byte first: what Linux on x86-64 and on ARM loads.
const MAGIC: u64 = u64::from_le_bytes([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
/// The fourth byte from the end of the first word names the operating system, which says nothing here.
const MAGIC_MASK: u64 = 0x00ff_ffff_ffff_ffff;

/// A segment that is loaded.
const LOAD: u64 = 1;
/// Among the flags of a segment: it may be run.
const EXECUTABLE: u64 = 1;

/// Fills `out` with the address ranges of the segments that are loaded, by address, of objects that have variables
/// beyond the contents of their files. Allocates nothing; ranges that do not fit are left out.
///
/// A file that a program merely mapped to look at it has headers too. So an object counts only if every segment lies
/// where the headers say, mapped privately from the place in the file that they say, and code may be run.
pub(crate) fn segments(vmas: &[Vma], out: &mut MapList<(usize, usize)>) {
    out.clear();
    let mut rest = vmas;
    while let Some(first) = rest.first() {
        let count = 1 + rest.iter().skip(1).take_while(|vma| is_of(vma, first)).count();
        let (object, behind) = rest.split_at(count);
        rest = behind;
        if has_variables(object, behind.first()) {
            add_segments(object, out);
        }
    }
    out.sort_unstable();
}

/// Whether a mapping shows a further part of the file whose beginning `first` shows.
fn is_of(vma: &Vma, first: &Vma) -> bool {
    let file = |vma: &Vma| (vma.inode, vma.major, vma.minor);
    first.inode != 0 && file(vma) == file(first) && vma.offset != 0
}

/// Whether mappings of one file can be an object with variables beyond its contents: anonymous memory follows those. Of
/// no other file is a page touched, for reading it may cost a disk's time and raises RSS.
fn has_variables(object: &[Vma], behind: Option<&Vma>) -> bool {
    let (Some(first), Some(last)) = (object.first(), object.last()) else { return false };
    let begins = first.inode != 0 && first.offset == 0 && first.readable && !first.shared;
    let variables = |vma: &Vma| vma.start == last.end && (vma.is_anonymous() || vma.name == VmaName::Heap);
    begins && object.iter().any(|vma| vma.executable) && behind.is_some_and(variables)
}

fn add_segments(object: &[Vma], out: &mut MapList<(usize, usize)>) {
    let Some(first) = object.first() else { return };
    let Some(header) = peek::<OBJECT_WORDS>(first.start) else { return };
    // Bytes 32 to 40 are the place of the segments' headers, 54 to 56 the size of one, 56 to 58 their number.
    let [place, size, count] = [header[4], header[6] >> 48, header[7] & 0xffff];
    if header[0] & MAGIC_MASK != MAGIC || size != 8 * SEGMENT_WORDS as u64 {
        return;
    }
    let mut words = [0; HEADERS_AT_MOST * SEGMENT_WORDS];
    let place = usize::try_from(place).ok().and_then(|place| place.checked_add(first.start));
    let Some((place, words)) = place.zip(words.get_mut(..count as usize * SEGMENT_WORDS)) else { return };
    if !peek_all(place, words) {
        return;
    }
    let headers = || words.as_chunks().0.iter().filter_map(Segment::of);
    // How far the object lies from where its headers say: by the segment that begins the file.
    let Some(front) = headers().find(|segment| segment.offset == 0) else { return };
    let shift = first.start.wrapping_sub(front.start);
    if headers().all(|segment| segment.lies_in(object, shift)) {
        for segment in headers() {
            let start = segment.start.wrapping_add(shift);
            let _ = out.push((start, start.saturating_add(segment.bytes)));
        }
    }
}

/// What a header says of a segment that is loaded.
struct Segment {
    /// Its place in the file.
    offset: u64,
    /// Its first address, if the object lay where its headers say.
    start: usize,
    /// Bytes of contents.
    file_bytes: usize,
    /// Bytes of addresses; not less.
    bytes: usize,
    executable: bool,
}

impl Segment {
    /// `None` for a header of another kind, or one that cannot be right.
    fn of(header: &[u64; SEGMENT_WORDS]) -> Option<Self> {
        let [kind, offset, start, _, file_bytes, bytes, _] = *header;
        let number = |word: u64| usize::try_from(word).ok().filter(|_| word >> 48 == 0);
        let (start, file_bytes, bytes) = (number(start)?, number(file_bytes)?, number(bytes)?);
        let good = kind & u64::from(u32::MAX) == LOAD && bytes > 0 && file_bytes <= bytes && offset >> 48 == 0;
        good.then_some(Self { offset, start, file_bytes, bytes, executable: kind >> 32 & EXECUTABLE != 0 })
    }

    /// Whether its contents, if it has any, end where a loader puts them.
    fn lies_in(&self, object: &[Vma], shift: usize) -> bool {
        let Some(last) = self.file_bytes.checked_sub(1) else { return true };
        let address = self.start.wrapping_add(shift).wrapping_add(last);
        let vma = object.iter().find(|vma| (vma.start..vma.end).contains(&address));
        vma.is_some_and(|vma| {
            let place = vma.offset + (address - vma.start) as u64;
            place == self.offset + last as u64 && !vma.shared && (vma.executable || !self.executable)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Roots;
    use crate::read::maps::Maps;

    fn listed() -> Vec<(usize, usize)> {
        let mut maps = Maps::new().expect("buffers");
        maps.read(Roots::system()).expect("maps");
        let mut list = MapList::with_room(64).expect("a page can be mapped");
        segments(maps.vmas(), &mut list);
        list.to_vec()
    }

    #[test]
    fn the_variables_of_this_program_lie_in_a_segment() {
        static ZEROES: [u64; 4096] = [0; 4096];
        static NUMBERS: [std::sync::atomic::AtomicU64; 1000] = [const { std::sync::atomic::AtomicU64::new(0) }; 1000];
        let list = listed();
        assert!(list.is_sorted());
        for place in [NUMBERS.as_ptr() as usize, listed as *const () as usize, ZEROES.as_ptr() as usize] {
            assert!(list.iter().any(|(start, end)| (*start..*end).contains(&place)), "{place:x} {list:x?}");
        }
    }
}
