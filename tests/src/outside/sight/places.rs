//! Where variables, stacks and heaps of the C library lie, by headers of files, guards and registers.

use procfs::process::MMapPath;

use super::{GLANCE, Mapping, PAGE_BYTES, PATIENCE, Sight};
use crate::outside::elf;

impl Sight {
    /// Where variables without an initial value lie that the loader mapped behind files.
    pub fn variables(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for mapping in self.mappings.iter().filter(|mapping| mapping.map.offset == 0) {
            let MMapPath::Path(path) = &mapping.map.pathname else { continue };
            for segment in elf::segments(path) {
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
pub(super) const UNLIMITED_STACK_BYTES: u64 = 2 << 20;

/// Where the stacks of threads have come to, but for the main one's. The kernel tells it of a thread that waits, so a
/// thread that runs is waited for.
pub(super) fn stack_pointers(pid: i32) -> Vec<u64> {
    for _ in 0..PATIENCE {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads can be listed");
        let others = tasks.filter_map(Result::ok).filter(|task| task.file_name().to_string_lossy() != pid.to_string());
        let pointers: Option<Vec<u64>> = others.map(|task| stack_pointer(&task.path().join("syscall"))).collect();
        if let Some(pointers) = pointers {
            return pointers;
        }
        std::thread::sleep(GLANCE);
    }
    panic!("a thread of the probe runs and runs");
}

fn stack_pointer(file: &std::path::Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    u64::from_str_radix(text.split_ascii_whitespace().rev().nth(1)?.strip_prefix("0x")?, 16).ok()
}
