//! Every page of a process, by pagemap and by smaps, which must agree.

use std::collections::HashSet;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use procfs::process::{LimitValue, MMPermissions, MMapPath, MemoryMap, Process, Status};

/// Bytes of a page; the tests run where pages are of 4 KiB.
pub const PAGE_BYTES: u64 = 4096;

/// The device of shared anonymous memory, of memfd and of System V segments.
const SHARED_MEMORY_DEVICE: (i32, i32) = (0, 1);

/// A page that is in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The process's own.
    Anon,
    /// Of a file, or of shared memory.
    File,
}

/// Pages of one kind side by side.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    start: u64,
    end: u64,
    kind: Kind,
}

/// One mapping and its pages.
#[derive(Debug)]
pub struct Mapping {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// What smaps says of it.
    pub map: MemoryMap,
    runs: Vec<Run>,
}

impl Mapping {
    /// Resident bytes of it of one kind.
    pub fn bytes(&self, kind: Kind) -> u64 {
        self.runs.iter().filter(|run| run.kind == kind).map(|run| run.end - run.start).sum()
    }

    /// Whether it is private and of no file.
    pub fn is_anonymous(&self) -> bool {
        self.map.inode == 0 && !self.map.perms.contains(MMPermissions::SHARED)
    }

    /// Whether nobody may touch it.
    pub fn is_closed(&self) -> bool {
        !self.map.perms.intersects(MMPermissions::READ | MMPermissions::WRITE | MMPermissions::EXECUTE)
    }

    /// Whether its pages count as shared memory.
    fn is_memory(&self) -> bool {
        self.map.dev == SHARED_MEMORY_DEVICE && self.map.inode != 0 || memory_devices().contains(&self.map.dev)
    }

    fn field(&self, name: &str) -> u64 {
        self.map.extension.map.get(name).copied().unwrap_or_default()
    }
}

/// A process at one moment.
#[derive(Debug)]
pub struct Sight {
    /// What the kernel counts.
    pub status: Status,
    /// What is mapped, by address.
    pub mappings: Vec<Mapping>,
    /// Where the stacks of its threads have come to, but for the main one.
    stack_pointers: Vec<u64>,
    /// Bytes of a stack without its guard, for threads of C code that does not ask for another size.
    stack_bytes: u64,
}

/// Resident bytes by kind of mapping.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sums {
    /// Pages of the process's own.
    pub anon: u64,
    /// Pages of files on disk.
    pub file: u64,
    /// Pages of shared memory.
    pub shmem: u64,
    /// Of the anonymous pages, those in private mappings of files.
    pub file_written: u64,
    /// Of the file pages, those in private mappings.
    pub file_private: u64,
    /// Of the file pages, those in shared mappings.
    pub file_shared: u64,
    /// Of the file pages, code that the kernel lends.
    pub vdso: u64,
    /// Of the anonymous pages, the C library's main heap.
    pub heap: u64,
    /// Of the anonymous pages, the main thread's stack.
    pub stack: u64,
}

impl Sight {
    /// Reads what the kernel says of the process, which must stand still.
    ///
    /// # Panics
    /// When it cannot be read, or when pagemap and smaps contradict each other.
    pub fn of(pid: i32) -> Sight {
        let process = Process::new(pid).expect("the process lives");
        let status = process.status().expect("status can be read");
        let pagemap = File::open(format!("/proc/{pid}/pagemap")).expect("pagemap can be read");
        let maps = process.smaps().expect("smaps can be read").into_iter();
        // Not counted in RSS: data that the kernel lends.
        let counted = maps.filter(|map| !is_kernels_data(&map.pathname));
        let mappings: Vec<Mapping> = counted.map(|map| look(&pagemap, map)).collect();
        let limit = process.limits().expect("limits can be read").max_stack_size.soft_limit;
        let stack_bytes = if let LimitValue::Value(bytes) = limit { bytes } else { UNLIMITED_STACK_BYTES };
        Sight { status, mappings, stack_pointers: stack_pointers(pid), stack_bytes }
    }

    /// Sums over everything mapped.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for mapping in &self.mappings {
            let (anon, file) = (mapping.bytes(Kind::Anon), mapping.bytes(Kind::File));
            sums.anon += anon;
            match mapping.map.pathname {
                MMapPath::Heap => sums.heap += anon,
                MMapPath::Stack => sums.stack += anon,
                MMapPath::Vdso => {
                    // Neither a file nor the process's own, it counts as a file.
                    sums.anon -= anon;
                    sums.vdso += anon + file;
                    sums.file += anon + file;
                }
                _ if mapping.is_memory() => sums.shmem += file,
                _ if mapping.map.perms.contains(MMPermissions::SHARED) => {
                    sums.file += file;
                    sums.file_shared += file;
                }
                _ => {
                    sums.file += file;
                    sums.file_private += file;
                }
            }
            if mapping.map.inode != 0 {
                sums.file_written += anon;
            }
        }
        sums
    }

    /// Resident bytes of `start..end`, of whatever kind; part of a page counts as so many bytes.
    pub fn resident(&self, start: u64, end: u64) -> u64 {
        let first = self.mappings.partition_point(|mapping| mapping.end <= start);
        let touched = self.mappings[first..].iter().take_while(|mapping| mapping.start < end);
        touched
            .flat_map(|mapping| {
                let runs = &mapping.runs;
                runs[runs.partition_point(|run| run.end <= start)..].iter().take_while(|run| run.start < end)
            })
            .map(|run| run.end.min(end) - run.start.max(start))
            .sum()
    }

    /// The words of the process from `start` to `end`; those on pages that are not resident are 0, and are not touched.
    pub fn words(&self, pid: i32, start: u64, end: u64) -> Vec<u64> {
        let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
        let mut words = vec![0_u64; ((end - start) / 8) as usize];
        let mut bytes = vec![0_u8; PAGE_BYTES as usize];
        for page in (start..end).step_by(bytes.len()).filter(|page| self.resident(*page, page + PAGE_BYTES) > 0) {
            memory.read_exact_at(&mut bytes, page).expect("a resident page can be read");
            let place = &mut words[((page - start) / 8) as usize..];
            for (word, bytes) in place.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
            }
        }
        words
    }

    /// The mapping that an address lies in.
    pub fn mapping(&self, address: u64) -> Option<&Mapping> {
        let mapping = self.mappings.get(self.mappings.partition_point(|mapping| mapping.end <= address))?;
        (mapping.start <= address).then_some(mapping)
    }

    /// Where variables without an initial value lie that the loader mapped behind files.
    pub fn variables(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for mapping in self.mappings.iter().filter(|mapping| mapping.map.offset == 0) {
            let MMapPath::Path(path) = &mapping.map.pathname else { continue };
            for segment in super::elf::segments(path) {
                let whole_pages = |address: u64| (mapping.start + address).next_multiple_of(PAGE_BYTES);
                let (start, end) = (whole_pages(segment.file_end), whole_pages(segment.end));
                // Files are also mapped without being loaded.
                if start < end && self.mapping(start).is_some_and(Mapping::is_anonymous) {
                    found.push((start, end));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Stacks of the default size that a thread other than the main one is on, with the thread-local variables at the
    /// end.
    pub fn running_stacks(&self) -> Vec<(u64, u64)> {
        let guarded = |pointer: &u64| {
            let stack = self.mapping(*pointer)?;
            self.mapping(stack.start - 1).filter(|guard| guard.is_closed())?;
            Some((stack.start, stack.start + self.stack_bytes))
        };
        self.stack_pointers.iter().filter_map(guarded).collect()
    }

    /// The heaps that the C library made for threads: aligned to 64 MiB, and closed from where they end up to the next
    /// 64 MiB.
    pub fn thread_heaps(&self) -> Vec<(u64, u64)> {
        const HEAP_BYTES: u64 = 64 << 20;
        let closed = self.mappings.iter().filter(|mapping| mapping.is_closed() && mapping.is_anonymous());
        let heaps = closed.filter(|mapping| mapping.end % HEAP_BYTES == 0 && mapping.end - mapping.start < HEAP_BYTES);
        heaps
            .map(|mapping| (mapping.end - HEAP_BYTES, mapping.start))
            .filter(|(start, end)| self.mapping(end - 1).is_some_and(|open| open.start <= *start && !open.is_closed()))
            .collect()
    }
}

/// What glibc takes on this architecture where the limit is none.
const UNLIMITED_STACK_BYTES: u64 = 2 << 20;

/// A thread that was just started or woken is waited for so many times a millisecond.
const PATIENCE: usize = 2_000;

/// Where the stacks of threads have come to, but for the main one's. The kernel tells it of a thread that waits, so a
/// thread that runs is waited for.
fn stack_pointers(pid: i32) -> Vec<u64> {
    for _ in 0..PATIENCE {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads can be listed");
        let others = tasks.filter_map(Result::ok).filter(|task| task.file_name().to_string_lossy() != pid.to_string());
        let pointers: Option<Vec<u64>> = others.map(|task| stack_pointer(&task.path().join("syscall"))).collect();
        if let Some(pointers) = pointers {
            return pointers;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("a thread of the probe runs and runs");
}

fn stack_pointer(file: &std::path::Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    u64::from_str_radix(text.split_ascii_whitespace().rev().nth(1)?.strip_prefix("0x")?, 16).ok()
}

fn is_kernels_data(path: &MMapPath) -> bool {
    match path {
        MMapPath::Vvar | MMapPath::Vsyscall => true,
        MMapPath::Other(name) => name.starts_with("vvar"),
        _ => false,
    }
}

/// The pages of one mapping by pagemap, compared with smaps.
fn look(pagemap: &File, map: MemoryMap) -> Mapping {
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
    assert_eq!(anon + file, mapping.field("Rss"), "pagemap and smaps differ in Rss: {:?}", mapping.map);
    if !matches!(mapping.map.pathname, MMapPath::Vdso) {
        assert_eq!(anon, mapping.field("Anonymous"), "pagemap and smaps differ in Anonymous: {:?}", mapping.map);
    }
    mapping
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

/// Whether pages of zeroes can be told from others.
pub fn tells_zeroes() -> bool {
    zero_frame().is_some()
}

/// The devices of file systems in memory.
fn memory_devices() -> &'static HashSet<(i32, i32)> {
    static DEVICES: OnceLock<HashSet<(i32, i32)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let mounts = Process::myself().and_then(|process| process.mountinfo()).expect("mountinfo can be read");
        let memory =
            mounts.into_iter().filter(|mount| matches!(mount.fs_type.as_str(), "tmpfs" | "devtmpfs" | "ramfs"));
        memory
            .filter_map(|mount| {
                let (major, minor) = mount.majmin.split_once(':')?;
                Some((major.parse().ok()?, minor.parse().ok()?))
            })
            .collect()
    })
}

/// For messages.
impl std::fmt::Display for Sight {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for mapping in &self.mappings {
            let (anon, file) = (mapping.bytes(Kind::Anon), mapping.bytes(Kind::File));
            if anon + file > 0 {
                let path = match &mapping.map.pathname {
                    MMapPath::Path(path) => path.clone(),
                    other => PathBuf::from(format!("{other:?}")),
                };
                let (start, end, name) = (mapping.start, mapping.end, path.display());
                writeln!(out, "  {start:x}-{end:x} anon {anon:>11} file {file:>9} {name}")?;
            }
        }
        Ok(())
    }
}
