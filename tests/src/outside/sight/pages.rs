//! The pages of one mapping.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use procfs::process::{MMapPath, MemoryMap};

use super::{Kind, Mapping, PAGE_BYTES, Run};

/// Whether pages of zeroes can be told from others.
pub fn tells_zeroes() -> bool {
    zero_frame().is_some()
}

/// The pages of one mapping by pagemap, compared with smaps.
pub(super) fn look(pagemap: &File, map: MemoryMap) -> Result<Mapping, String> {
    let (start, end) = map.address;
    let mut runs: Vec<Run> = Vec::new();
    let mut words = vec![0_u8; 8 << 16];
    let mut page = start;
    while page < end {
        let count = ((end - page) / PAGE_BYTES).min(words.len() as u64 / 8);
        let bytes = &mut words[..8 * count as usize];
        pagemap.read_exact_at(bytes, page / PAGE_BYTES * 8).expect("pagemap has a word for each page");
        for word in bytes.chunks_exact(8) {
            if let Some(kind) = kind(u64::from_ne_bytes(word.try_into().expect("eight bytes"))) {
                match runs.last_mut() {
                    Some(last) if last.end == page && last.kind == kind => last.end += PAGE_BYTES,
                    _ => runs.push(Run { start: page, end: page + PAGE_BYTES, kind }),
                }
            }
            page += PAGE_BYTES;
        }
    }
    let mapping = Mapping { start, end, map, runs };
    let (anon, file) = (mapping.bytes(Kind::Anon), mapping.bytes(Kind::File));
    // What the kernel lends counts as a file, whatever pagemap says of its pages.
    let anonymous = if mapping.map.pathname == MMapPath::Vdso { anon } else { mapping.field("Anonymous") };
    match (anon + file == mapping.field("Rss"), anon == anonymous) {
        (true, true) => Ok(mapping),
        _ => Err(format!("{anon} anonymous and {file} other bytes in {:?}", mapping.map)),
    }
}

/// What a word of pagemap says; `None` for what is not in RSS.
fn kind(word: u64) -> Option<Kind> {
    const PRESENT: u64 = 1 << 63;
    const FILE: u64 = 1 << 61;
    match word {
        _ if word & PRESENT == 0 => None,
        _ if word & FILE != 0 => Some(Kind::File),
        _ => (Some(word & FRAME) != *zero_frame()).then_some(Kind::Anon),
    }
}

const FRAME: u64 = (1 << 55) - 1;

/// The frame of the kernel's page of zeroes; `None` if frames are hidden from this user, and then smaps will contradict
/// where there are such pages.
fn zero_frame() -> &'static Option<u64> {
    static FRAME_OF_ZEROES: OnceLock<Option<u64>> = OnceLock::new();
    FRAME_OF_ZEROES.get_or_init(|| {
        // Large enough to be mapped for itself, so that reading it maps zeroes.
        let zeroes = vec![0_u8; 8 << 20];
        let place = &zeroes[4 << 20];
        black_box(*black_box(place));
        let mut word = [0_u8; 8];
        let at = std::ptr::from_ref(place) as u64 / PAGE_BYTES * 8;
        File::open("/proc/self/pagemap").ok()?.read_exact_at(&mut word, at).ok()?;
        Some(u64::from_ne_bytes(word) & FRAME).filter(|frame| *frame != 0)
    })
}
