//! The numbers of a walk as a value: made after the last reading, on the heap.

use super::Walker;
use crate::attribute::{ArenaSums, Gap, GapKind, Heap, KernelPages, Place, Unattributed, Walk};
use crate::read::maps::{Vma, VmaName};
use crate::read::{Backend, Residency};

impl Walker {
    /// What the last walk found. Allocates.
    pub fn result(&self) -> Walk {
        let found = &self.found;
        let mut outside = found.outside;
        let mut unattributed = Vec::new();
        for gap in self.gaps.iter().filter(|gap| gap.resident != Residency::default()) {
            match self.place(gap) {
                Some(place) => outside.add(place, gap.resident),
                None => {
                    unattributed.push(Unattributed { start: gap.start, end: gap.end, resident: gap.resident });
                }
            }
        }
        Walk {
            page_bytes: self.classes.page_bytes as u64,
            backend: found.backend.unwrap_or(Backend::None),
            pages: sum(&found.pages),
            heap: self.jemalloc.as_ref().map(|_| self.heap()).map_err(|error| *error),
            own_tables: found.own_tables,
            scratch: found.scratch,
            outside,
            unattributed,
            unlisted_resident: found.unlisted,
            moved: found.totals.moved,
        }
    }

    /// Pages that the last walk found, by kind. Allocates nothing.
    pub fn kernel_pages(&self) -> KernelPages {
        sum(&self.found.pages)
    }

    fn place(&self, gap: &Gap) -> Option<Place> {
        match gap.kind {
            GapKind::GlibcArena => Some(Place::GlibcArenas),
            GapKind::GlibcChunk => self.found.chunks_are_glibcs.then_some(Place::GlibcMmapped),
            GapKind::ThreadStack => Some(Place::ThreadStacks),
            GapKind::Loader => Some(Place::Loader),
            GapKind::Base => None,
            GapKind::Plain => plain_place(self.maps.vmas(), gap),
        }
    }

    fn heap(&self) -> Heap {
        let totals = &self.found.totals;
        let sums = self.by_arena.iter().zip(self.counted.iter()).zip(0..);
        let sums =
            sums.map(|((walked, counted), arena)| ArenaSums { arena, walked_bytes: *walked, counted_bytes: *counted });
        Heap {
            regions: self.regions.to_vec(),
            classes: self.by_class.to_vec(),
            slabs: totals.slabs,
            dirty: totals.dirty,
            muzzy: totals.muzzy,
            retained: totals.retained,
            base_bytes: totals.base_bytes,
            base_resident: totals.base_resident,
            sums: sums.filter(|sums| sums.walked_bytes != [0; 4] || sums.counted_bytes != [0; 4]).collect(),
            extents: totals.extents,
            uncounted: self.found.uncounted,
        }
    }
}

fn plain_place(vmas: &[Vma], gap: &Gap) -> Option<Place> {
    let mapping = vmas.get(vmas.partition_point(|vma| vma.end <= gap.start));
    mapping.is_some_and(|vma| vma.start <= gap.start && vma.name == VmaName::Heap).then_some(Place::GlibcHeap)
}

fn sum(parts: &[KernelPages]) -> KernelPages {
    parts.iter().fold(KernelPages::default(), |mut sum, part| {
        sum.anon += part.anon;
        sum.file += part.file;
        sum.shmem += part.shmem;
        sum.zero_bytes += part.zero_bytes;
        sum.swapped_bytes += part.swapped_bytes;
        sum.unknown_file_bytes += part.unknown_file_bytes;
        sum
    })
}
