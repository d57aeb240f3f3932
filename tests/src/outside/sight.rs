//! Every page of a process, by pagemap and by smaps, which must agree.

mod pages;
mod places;

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use pages::look;
pub use pages::tells_zeroes;
use places::{UNLIMITED_STACK_BYTES, stack_pointers};
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

/// What is about to come to rest is looked at so many times, so long apart.
const PATIENCE: usize = 2_000;
const GLANCE: Duration = Duration::from_millis(1);

impl Sight {
    /// Reads what the kernel says of the process, which must stand still.
    ///
    /// # Panics
    /// When it cannot be read, or when pagemap and smaps contradict each other again and again.
    pub fn of(pid: i32) -> Sight {
        // A thread that is about to wait may still touch a page of its stack between the two readings.
        for _ in 0..PATIENCE {
            match Self::at_once(pid) {
                Ok(sight) => return sight,
                Err(_) => std::thread::sleep(GLANCE),
            }
        }
        Self::at_once(pid).unwrap_or_else(|differs| panic!("pagemap and smaps differ: {differs}"))
    }

    fn at_once(pid: i32) -> Result<Sight, String> {
        let process = Process::new(pid).expect("the process lives");
        let status = process.status().expect("status can be read");
        let pagemap = File::open(format!("/proc/{pid}/pagemap")).expect("pagemap can be read");
        let maps = process.smaps().expect("smaps can be read").into_iter();
        // Not counted in RSS: data that the kernel lends.
        let counted = maps.filter(|map| !is_kernels_data(&map.pathname));
        let mappings: Vec<Mapping> = counted.map(|map| look(&pagemap, map)).collect::<Result<_, _>>()?;
        let limit = process.limits().expect("limits can be read").max_stack_size.soft_limit;
        let stack_bytes = if let LimitValue::Value(bytes) = limit { bytes } else { UNLIMITED_STACK_BYTES };
        Ok(Sight { status, mappings, stack_pointers: stack_pointers(pid), stack_bytes })
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

    /// Bytes of the process's own memory in huge pages.
    pub fn huge_bytes(&self) -> u64 {
        self.mappings.iter().map(|mapping| mapping.field("AnonHugePages")).sum()
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
}

fn is_kernels_data(path: &MMapPath) -> bool {
    match path {
        MMapPath::Vvar | MMapPath::Vsyscall => true,
        MMapPath::Other(name) => name.starts_with("vvar"),
        _ => false,
    }
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
