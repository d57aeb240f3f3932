//! From the probe's numbers to the statement's, field by field.

use heapledger_alloc::CLASS_BYTES;
use heapledger_probe::attribute::{ArenaSums, ClassPages, FreeExtents, Heap, LargeExtents, Place, RegionPages, Walk};
use heapledger_probe::read::{Backend, Residency};
use heapledger_statement::{
    ArenaFreeReading, ClassPagesReading, FreeExtentsReading, HeapReading, LargeExtentsReading, LineId, PinsReading,
    RangeReading, RegionPagesReading, Resident, SlotsReading, WalkReading,
};

use crate::readings::reading;

pub(super) fn walk(walk: &Walk) -> WalkReading {
    WalkReading {
        backend: backend(walk.backend).into(),
        anon: resident(walk.pages.anon),
        file: resident(walk.pages.file),
        shmem: resident(walk.pages.shmem),
        zero_bytes: (walk.backend == Backend::Scan).then_some(walk.pages.zero_bytes),
        unknown_file_bytes: walk.pages.unknown_file_bytes,
        heap: reading(walk.heap.as_ref().map(heap).map_err(|error| *error)),
        own_tables: resident(walk.own_tables),
        scratch: resident(walk.scratch),
        places: Place::ALL.map(|place| (line(place), resident(walk.outside.get(place)))).to_vec(),
        unattributed: walk
            .unattributed
            .iter()
            .map(|range| RangeReading {
                start: range.start as u64,
                end: range.end as u64,
                resident: resident(range.resident),
            })
            .collect(),
        unlisted: resident(walk.unlisted_resident),
        moved: resident(walk.moved.resident),
    }
}

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Scan => "PAGEMAP_SCAN",
        Backend::Pagemap => "pagemap",
        Backend::Mincore => "mincore",
        Backend::None => "nobody",
    }
}

fn line(place: Place) -> LineId {
    match place {
        Place::FilePages => LineId::FilePages,
        Place::FileWritten => LineId::FileWritten,
        Place::SharedFile => LineId::SharedFile,
        Place::SharedMemory => LineId::SharedMemory,
        Place::Vdso => LineId::Vdso,
        Place::Bss => LineId::Bss,
        Place::MainStack => LineId::MainStack,
        Place::ThreadStacks => LineId::ThreadStacks,
        Place::Loader => LineId::Loader,
        Place::GlibcHeap => LineId::GlibcHeap,
        Place::GlibcArenas => LineId::GlibcArenas,
        Place::GlibcMmapped => LineId::GlibcMmapped,
    }
}

fn resident(residency: Residency) -> Resident {
    Resident { at_least_bytes: residency.at_least_bytes, at_most_bytes: residency.at_most_bytes }
}

fn heap(heap: &Heap) -> HeapReading {
    // The last one is of nobody.
    let (unowned, regions) =
        heap.regions.split_last().map_or((RegionPagesReading::default(), &[][..]), |(last, rest)| (region(last), rest));
    HeapReading {
        regions: regions.iter().map(region).collect(),
        unowned,
        slots: CLASS_BYTES.iter().zip(&heap.classes).map(|(bytes, class)| (*bytes, class.allocated_slots)).collect(),
        slabs: resident(heap.slabs.resident),
        free_slots: resident(heap.slabs.free_resident),
        free_slots_shared: resident(heap.slabs.free_shared_resident),
        dirty: extents(&heap.dirty),
        muzzy: extents(&heap.muzzy),
        retained: extents(&heap.retained),
        arenas: heap.sums.iter().map(free_of_arena).filter(|free| free.dirty_bytes + free.muzzy_bytes > 0).collect(),
        largest_dirty_bytes: heap.dirty.largest_bytes,
        large_dirty: large(&heap.dirty.large),
        classes: CLASS_BYTES.iter().zip(&heap.classes).filter(|(_, class)| class.slabs > 0).map(class_pages).collect(),
        base_bytes: heap.base_bytes,
        base: resident(heap.base_resident),
        slabs_off_bytes: CLASS_BYTES.iter().zip(&heap.classes).map(slabs_off).max().unwrap_or_default(),
        states_off_bytes: heap.sums.iter().map(|sums| sums.difference_bytes()).max().unwrap_or_default(),
        uncounted: heap.uncounted.and_then(|error| reading::<()>(Err(error)).err()),
    }
}

fn large(large: &LargeExtents) -> LargeExtentsReading {
    LargeExtentsReading { extents: large.extents, bytes: large.bytes, smallest_bytes: large.smallest_bytes }
}

fn free_of_arena(sums: &ArenaSums) -> ArenaFreeReading {
    let [_, dirty_bytes, muzzy_bytes, _] = sums.walked_bytes;
    ArenaFreeReading { arena: sums.arena, dirty_bytes, muzzy_bytes }
}

fn class_pages((bytes, class): (&u32, &ClassPages)) -> ClassPagesReading {
    ClassPagesReading {
        slot_bytes: *bytes,
        slab_bytes: class.slab_bytes,
        slabs: class.slabs,
        allocated_slots: class.allocated_slots,
        free_slots: class.free_slots,
        free: resident(class.free_resident),
    }
}

/// Slabs are compared as slots of one each, so that a slab too many or too few is never nothing.
fn slabs_off((bytes, class): (&u32, &ClassPages)) -> u64 {
    let off = class.slabs.abs_diff(class.counted_slabs).max(class.allocated_slots.abs_diff(class.counted_slots));
    off * u64::from(*bytes)
}

fn extents(extents: &FreeExtents) -> FreeExtentsReading {
    FreeExtentsReading { resident: resident(extents.resident), mixed: resident(extents.mixed_resident) }
}

fn region(pages: &RegionPages) -> RegionPagesReading {
    let small = CLASS_BYTES.iter().zip(&pages.small).filter(|(_, small)| small.allocated_slots > 0);
    RegionPagesReading {
        small: small
            .map(|(bytes, small)| SlotsReading {
                slot_bytes: *bytes,
                slots: small.allocated_slots,
                resident: resident(small.allocated_resident),
                pins: PinsReading {
                    slabs: u64::from(small.pins.slabs),
                    shared_slabs: u64::from(small.pins.shared_slabs),
                    slots: small.pins.slots,
                    free: resident(small.pins.free_resident),
                },
            })
            .collect(),
        large_usable_bytes: pages.large.usable_bytes,
        large: resident(pages.large.usable_resident),
        large_pads: resident(pages.large.pad_resident),
        pinned_alone: resident(pages.free_pinned_alone),
        pinned_shared: resident(pages.free_pinned_shared),
        dirty: resident(pages.dirty),
        muzzy: resident(pages.muzzy),
        retained: resident(pages.retained),
    }
}
