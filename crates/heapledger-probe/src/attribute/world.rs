//! What is given: pages, extents, owners, classes.

use super::CLASSES;
use crate::read::Residency;

/// Why a page is where it is, as far as the kernel tells.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum PageKind {
    /// The process's own page.
    #[default]
    Anon,
    /// A page of a file, or of shared memory.
    File,
    /// The kernel's page of zeroes, which RSS leaves out.
    Zero,
    /// Either [`Anon`](Self::Anon) or [`Zero`](Self::Zero): the backend cannot tell.
    AnonOrZero,
    /// In swap, or a mark inside a mapping that the kernel tells in the same way; RSS leaves both out.
    Swapped,
}

/// Pages side by side of one kind. Pages of no run are not in memory.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Run {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// What they are.
    pub kind: PageKind,
}

impl Run {
    /// How much of it lies in `start..end` and counts as resident.
    pub fn resident_in(&self, start: usize, end: usize) -> Residency {
        let (from, to) = (self.start.max(start), self.end.min(end));
        if from >= to {
            return Residency::default();
        }
        let bytes = (to - from) as u64;
        match self.kind {
            PageKind::Anon | PageKind::File => Residency::exactly(bytes),
            PageKind::AnonOrZero => Residency { at_least_bytes: 0, at_most_bytes: bytes },
            PageKind::Zero | PageKind::Swapped => Residency::default(),
        }
    }
}

/// What jemalloc does with an extent.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum ExtentState {
    /// A slab, or a large block.
    #[default]
    Active,
    /// Freed, not given back.
    Dirty,
    /// Given back lazily.
    Muzzy,
    /// Addresses kept.
    Retained,
    /// It was being changed whenever it was looked at.
    Moved,
}

/// A range of jemalloc's, as its radix tree has it.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Where its record is, for who reads the bitmap of a slab.
    pub record: usize,
    /// What jemalloc does with it.
    pub state: ExtentState,
    /// Of an active one: small blocks of one class lie in it.
    pub slab: bool,
    /// It begins a mapping of jemalloc's: it never grows together with what lies below.
    pub head: bool,
    /// Size class of an active one.
    pub szind: u8,
    /// From the start to the large block in it, less than a page.
    pub block_offset: u16,
    /// Index of its arena.
    pub arena: u16,
    /// Of a slab: how many slots are free.
    pub free_slots: u16,
}

/// Whose blocks a page holds, or held last, by index of the region.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum PageOwner {
    /// No region was ever charged for it.
    Nobody,
    /// This one.
    Region(usize),
    /// Several; each slot has its own.
    Mixed,
}

/// The owner map.
pub trait Owners {
    /// What it says of one page at one moment.
    type Page: Copy;

    /// Reads what it says of the page of this address. Any address may be asked for, also of pages that are in no extent.
    fn page(&self, address: usize) -> Self::Page;

    /// [`page`](Owners::page) will be asked for the page of this address soon. A hint.
    fn fetch_page(&self, address: usize) {
        let _ = address;
    }

    /// Whose the blocks are that start in the page.
    fn start_owner(&self, page: Self::Page) -> PageOwner;

    /// Whose the blocks were that touched the page last.
    fn last_owner(&self, page: Self::Page) -> PageOwner;

    /// Of a page whose owner is `Mixed`: whose the block of this small class is that starts at this offset in it.
    fn slot_owner(&self, page: Self::Page, class: usize, offset: usize) -> Option<usize>;

    /// Whose all the blocks are, or were last, that start in the page of this address, one after the other: for each
    /// one more than the index of its region, 0 for nobody. `false` if the page changed meanwhile, and what was written
    /// may be anything.
    fn slot_owners(&self, address: usize, starts: Starts, out: &mut [u16]) -> bool {
        let page = self.page(address);
        let tag = |owner: Option<usize>| owner.and_then(|owner| u16::try_from(owner + 1).ok()).unwrap_or_default();
        match self.start_owner(page) {
            PageOwner::Region(region) => out.fill(tag(Some(region))),
            PageOwner::Nobody => out.fill(0),
            PageOwner::Mixed => {
                for (offset, place) in (starts.offset..).step_by(starts.step.max(1)).zip(out) {
                    *place = tag(self.slot_owner(page, starts.class, offset));
                }
            }
        }
        true
    }

    /// What [`slot_owners`](Owners::slot_owners) reads of this page will be asked for soon. A hint.
    fn fetch_ahead(&self, page: Self::Page) {
        let _ = page;
    }
}

/// Where the blocks of a slab start in one of its pages.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Starts {
    /// Their small class.
    pub class: usize,
    /// Offset in the page of the first.
    pub offset: usize,
    /// From one to the next, bytes.
    pub step: usize,
}

/// A bit per slot of a slab, set where the slot is free.
pub type Bitmap = [u64; 8];

/// jemalloc's size classes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Classes {
    /// Usable bytes of a small block.
    pub slot_bytes: [u32; CLASSES],
    /// Slots of a slab.
    pub slots: [u32; CLASSES],
    /// Bytes of a slab.
    pub slab_bytes: [u32; CLASSES],
    /// Bytes of a page.
    pub page_bytes: usize,
    /// What the extent of a large block has beyond its usable bytes, if those follow from the extent rather than from
    /// the class (`opt.disable_large_size_classes`).
    pub large_pad_bytes: Option<usize>,
}

impl Classes {
    /// None: no extent is a slab.
    pub fn unknown(page_bytes: usize) -> Self {
        let none = [0; CLASSES];
        Self { slot_bytes: none, slots: none, slab_bytes: none, page_bytes, large_pad_bytes: None }
    }

    /// Usable bytes of a large block of this class, whose extent has this size.
    ///
    /// Classes go on as the small ones do: four steps for each doubling.
    pub fn large_bytes(&self, szind: u8, extent_bytes: usize) -> usize {
        if let Some(pad) = self.large_pad_bytes {
            return extent_bytes.checked_sub(pad).unwrap_or(extent_bytes);
        }
        // jemalloc's profiler puts small blocks that it samples into extents of their own.
        if let Some(small) = self.slot_bytes.get(usize::from(szind)) {
            return *small as usize;
        }
        // The first large class, 16 KiB, is the last of its doubling.
        let above = usize::from(szind).checked_sub(CLASSES).map_or(0, |above| above + 3);
        let (doublings, step) = (above / 4, above % 4);
        u32::try_from(doublings)
            .ok()
            .and_then(|doublings| (4096 / 2 * (5_usize + step)).checked_shl(doublings))
            .filter(|_| doublings < 48)
            .unwrap_or(extent_bytes)
    }
}

/// What a range without extents is, as its first words tell.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum GapKind {
    /// Nothing is known.
    #[default]
    Plain,
    /// A base block of jemalloc's.
    Base,
    /// A block of glibc's with a mapping of its own.
    GlibcChunk,
    /// A heap that glibc made for a thread.
    GlibcArena,
    /// A thread's stack, with its record at the end.
    ThreadStack,
    /// Pages of the dynamic loader's.
    Loader,
}

/// What is told beside pages and extents.
pub trait World {
    /// Size classes.
    fn classes(&self) -> &Classes;

    /// The bitmap of a slab; `None` if the slab has changed meanwhile.
    fn bitmap(&self, slab: &Extent) -> Option<Bitmap>;

    /// The bitmap of this slab will be asked for soon. A hint.
    fn fetch_ahead(&self, slab: &Extent) {
        let _ = slab;
    }

    /// What begins at an address that is resident and in no extent, and how many bytes it has; asked for where a range
    /// without extents begins, and where a base block could.
    fn header(&self, address: usize) -> Option<(GapKind, usize)>;

    /// Where the mapping of an address ends.
    fn mapping_end(&self, address: usize) -> usize;
}

/// A range in no extent and of one mapping, in which something is resident.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Gap {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Resident bytes in it.
    pub resident: Residency,
    /// What it is; never a base block.
    pub kind: GapKind,
}
