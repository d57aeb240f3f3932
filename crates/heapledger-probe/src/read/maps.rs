//! `/proc/self/maps`, parsed in place.

use std::os::unix::fs::FileExt;

use super::file::{bytes, open};
use super::mapbuf::{MapBuf, MapList};
use crate::ReadError;
use crate::read::Roots;

const FILE: &str = "/proc/self/maps";

/// What the last column says.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum VmaName {
    /// Nothing: anonymous memory.
    #[default]
    None,
    /// `[heap]`.
    Heap,
    /// `[stack]`.
    Stack,
    /// `[vdso]`.
    Vdso,
    /// `[vvar]` and its kin: the kernel's data, not in RSS.
    Vvar,
    /// `[vsyscall]`: not in RSS.
    Vsyscall,
    /// A name that the program gave to anonymous memory, `[anon:…]`; nothing can be concluded from it.
    Named,
    /// Another word in brackets.
    OtherSpecial,
    /// A path.
    Path,
    /// A path to what has no name any more, `… (deleted)`; all memfds are such.
    Deleted,
    /// Huge pages that the program asked for by number, which RSS does not count.
    HugeTlb,
}

/// One line of maps.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Vma {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Number of the file, or 0.
    pub inode: u64,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Device of the file.
    pub major: u32,
    /// Device of the file.
    pub minor: u32,
    /// May be read now.
    pub readable: bool,
    /// May be written now.
    pub writable: bool,
    /// May be run now.
    pub executable: bool,
    /// Shared with whoever maps the same; otherwise written pages become the process's own.
    pub shared: bool,
    /// What the last column says.
    pub name: VmaName,
}

impl Vma {
    /// Whether it is private anonymous memory, whatever its name.
    pub fn is_anonymous(&self) -> bool {
        self.inode == 0 && !self.shared && matches!(self.name, VmaName::None | VmaName::Named)
    }
}

/// Maps, with room for the text and for the records.
#[derive(Debug)]
pub(crate) struct Maps {
    text: MapBuf<u8>,
    /// Bytes of the text that was read last.
    filled: usize,
    vmas: MapList<Vma>,
}

/// Room at first: usual programs have some hundreds of mappings.
const TEXT_BYTES: usize = 128 << 10;
const ROOM: usize = 1024;

impl Maps {
    pub(crate) fn new() -> Result<Self, ReadError> {
        Ok(Self { text: MapBuf::new(TEXT_BYTES)?, filled: 0, vmas: MapList::with_room(ROOM)? })
    }

    /// Reads all lines. Allocates nothing on the heap; the buffers are remapped if they are too small, so a reading
    /// that shall not change the maps is preceded by another.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`], [`ReadError::Malformed`] for a line of another form, [`ReadError::NoRoom`].
    pub(crate) fn read(&mut self, roots: Roots<'_>) -> Result<(), ReadError> {
        let file = open(FILE, &[bytes(roots.proc), b"/self/maps"])?;
        let mut filled = 0;
        loop {
            if filled == self.text.len() {
                self.text.grow(2 * filled)?;
            }
            let Some(rest) = self.text.get_mut(filled..) else { break };
            match file.read_at(rest, filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::file(FILE, &error)),
            }
        }
        self.filled = filled;
        self.parse(filled)
    }

    fn parse(&mut self, filled: usize) -> Result<(), ReadError> {
        self.vmas.clear();
        let text = self.text.get(..filled).unwrap_or_default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let vma = parse_line(line).ok_or(ReadError::Malformed { file: FILE, field: "a line" })?;
            if !self.vmas.push(vma) {
                self.vmas.grow(2 * self.vmas.room())?;
                let _ = self.vmas.push(vma);
            }
        }
        // A mapping that grew or moved between two pages of the text may be there twice; the later word is newer.
        let mut behind = 0;
        for vma in self.vmas.iter_mut() {
            vma.start = vma.start.max(behind);
            vma.end = vma.end.max(vma.start);
            behind = vma.end;
        }
        Ok(())
    }

    /// Whether so many mappings were read before that twice as many find room.
    pub(crate) fn have_room(&self) -> bool {
        !self.vmas.is_empty() && 2 * self.vmas.len() <= self.vmas.room() && 2 * self.filled <= self.text.len()
    }

    /// The mappings, by address, without overlap.
    pub(crate) fn vmas(&self) -> &[Vma] {
        &self.vmas
    }

    /// Where the buffers are.
    pub(crate) fn ranges(&self) -> [(usize, usize); 2] {
        [self.text.range(), self.vmas.range()]
    }
}

/// `start-end perms offset major:minor inode    name`; the name may hold anything but line breaks.
pub(crate) fn parse_line(line: &[u8]) -> Option<Vma> {
    let mut rest = line;
    let range = word(&mut rest)?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let &[read, write, execute, sharing] = word(&mut rest)? else { return None };
    let offset = hex(word(&mut rest)?)?;
    let device = word(&mut rest)?;
    let colon = device.iter().position(|byte| *byte == b':')?;
    let inode = super::file::decimal(word(&mut rest)?)?;
    Some(Vma {
        start: usize::try_from(hex(range.get(..dash)?)?).ok()?,
        end: usize::try_from(hex(range.get(dash + 1..)?)?).ok()?,
        inode,
        offset,
        major: u32::try_from(hex(device.get(..colon)?)?).ok()?,
        minor: u32::try_from(hex(device.get(colon + 1..)?)?).ok()?,
        readable: read == b'r',
        writable: write == b'w',
        executable: execute == b'x',
        shared: sharing == b's',
        name: name_kind(rest.trim_ascii_start()),
    })
}

/// Takes the bytes up to the next space.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = *rest;
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    let (word, behind) = text.split_at_checked(end)?;
    *rest = behind.get(1..).unwrap_or_default();
    if word.is_empty() { None } else { Some(word) }
}

/// A hexadecimal number without sign; `None` if it is none, or does not fit.
fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

fn name_kind(name: &[u8]) -> VmaName {
    match name {
        b"" => VmaName::None,
        b"[heap]" => VmaName::Heap,
        b"[stack]" => VmaName::Stack,
        b"[vdso]" => VmaName::Vdso,
        b"[vsyscall]" => VmaName::Vsyscall,
        name if name.starts_with(b"[vvar") => VmaName::Vvar,
        name if name.starts_with(b"[anon:") => VmaName::Named,
        name if name.starts_with(b"[") => VmaName::OtherSpecial,
        name if name.starts_with(b"/anon_hugepage") => VmaName::HugeTlb,
        name if name.ends_with(b" (deleted)") => VmaName::Deleted,
        _ => VmaName::Path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind_are_understood() {
        let line = b"7f00a000-7f00b000 rw-s 00001000 fd:0a 1234                       /a file with spaces (deleted)";
        let vma = parse_line(line).expect("a good line");
        assert_eq!((vma.start, vma.end, vma.offset), (0x7f00_a000, 0x7f00_b000, 0x1000));
        assert_eq!((vma.major, vma.minor, vma.inode), (0xfd, 0xa, 1234));
        assert!(vma.readable && vma.writable && !vma.executable && vma.shared);
        assert_eq!(vma.name, VmaName::Deleted);
        let named = |name: &str| parse_line(format!("1000-2000 ---p 0 00:00 0 {name}").as_bytes()).map(|vma| vma.name);
        assert_eq!(named(""), Some(VmaName::None));
        assert_eq!(named("         [heap]"), Some(VmaName::Heap));
        assert_eq!(named("[stack]"), Some(VmaName::Stack));
        assert_eq!(named("[vvar_vclock]"), Some(VmaName::Vvar));
        assert_eq!(named("[vdso]"), Some(VmaName::Vdso));
        assert_eq!(named("[vsyscall]"), Some(VmaName::Vsyscall));
        assert_eq!(named("[anon:jemalloc]"), Some(VmaName::Named));
        assert_eq!(named("[uprobes]"), Some(VmaName::OtherSpecial));
        assert_eq!(named("/anon_hugepage (deleted)"), Some(VmaName::HugeTlb));
        assert_eq!(named("anon_inode:[perf]"), Some(VmaName::Path));
        assert_eq!(parse_line(b"1000-2000 rw-p 00000000 00:00 0 ").map(|vma| vma.is_anonymous()), Some(true));
    }

    #[test]
    fn lines_of_another_form_are_refused() {
        for bad in [
            "",
            "1000 rw-p 0 00:00 0",
            "1000-2000 rw 0 00:00 0",
            "1000-2000 rw-p 0 0000 0",
            "1000-2000 rw-p 0 00:00",
            "1000-2000 rw-p 0 00:00 x",
            "1000-11111111122222222 rw-p 0 00:00 0",
            "g-2000 rw-p 0 00:00 0",
            "-2000 rw-p 0 00:00 0",
        ] {
            assert_eq!(parse_line(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_mapping_that_is_told_twice_counts_once() {
        let mut maps = Maps::new().expect("buffers");
        let text =
            b"1000-3000 rw-p 0 00:00 0\n1000-5000 rw-p 0 00:00 0\n4000-4800 rw-p 0 00:00 0\n6000-7000 r--p 0 00:00 0\n";
        maps.text[..text.len()].copy_from_slice(text);
        maps.parse(text.len()).expect("good lines");
        let ranges: Vec<_> = maps.vmas().iter().map(|vma| (vma.start, vma.end)).collect();
        assert_eq!(ranges, [(0x1000, 0x3000), (0x3000, 0x5000), (0x5000, 0x5000), (0x6000, 0x7000)]);
    }

    #[test]
    fn more_mappings_than_there_is_room_for_make_room() {
        let mut maps = Maps::new().expect("buffers");
        let text: String = (1..=3 * ROOM).map(|page| format!("{page:x}000-{page:x}800 rw-p 0 00:00 0\n")).collect();
        maps.text.grow(text.len()).expect("room");
        maps.text[..text.len()].copy_from_slice(text.as_bytes());
        maps.parse(text.len()).expect("good lines");
        assert_eq!(maps.vmas().len(), 3 * ROOM);
    }

    /// Other tests of this process map and unmap all the time; a quiet moment comes within far fewer tries.
    const TRIES_FOR_A_QUIET_MOMENT: usize = 500;

    #[test]
    fn the_maps_of_this_process_are_those_that_procfs_reads() {
        let mut maps = Maps::new().expect("buffers");
        let same = (0..TRIES_FOR_A_QUIET_MOMENT).any(|_| {
            maps.read(Roots::system()).expect("maps can be read");
            let theirs = procfs::process::Process::myself().and_then(|process| process.maps()).expect("procfs reads");
            let theirs: Vec<_> = theirs.into_iter().collect();
            theirs.len() == maps.vmas().len()
                && theirs.iter().zip(maps.vmas()).all(|(theirs, ours)| {
                    use procfs::process::{MMPermissions, MMapPath};
                    let of = |permission| theirs.perms.contains(permission);
                    let name = match &theirs.pathname {
                        MMapPath::Path(path) if path.to_string_lossy().ends_with("(deleted)") => VmaName::Deleted,
                        MMapPath::Path(_) => VmaName::Path,
                        MMapPath::Heap => VmaName::Heap,
                        MMapPath::Stack => VmaName::Stack,
                        MMapPath::Vdso => VmaName::Vdso,
                        MMapPath::Vvar => VmaName::Vvar,
                        MMapPath::Vsyscall => VmaName::Vsyscall,
                        MMapPath::Anonymous => VmaName::None,
                        _ => ours.name,
                    };
                    (theirs.address, theirs.inode, theirs.offset)
                        == ((ours.start as u64, ours.end as u64), ours.inode, ours.offset)
                        && theirs.dev == (ours.major as i32, ours.minor as i32)
                        && of(MMPermissions::READ) == ours.readable
                        && of(MMPermissions::WRITE) == ours.writable
                        && of(MMPermissions::EXECUTE) == ours.executable
                        && of(MMPermissions::SHARED) == ours.shared
                        && name == ours.name
                })
        });
        assert!(same, "the two never agreed");
    }

    #[test]
    fn a_hidden_file_is_an_error_that_names_it() {
        let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
        let error = Maps::new().and_then(|mut maps| maps.read(nowhere)).expect_err("there is no such file");
        assert!(error.to_string().starts_with(FILE), "{error}");
    }
}
