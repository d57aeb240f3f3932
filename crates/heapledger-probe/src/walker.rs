//! The walk: every page of the process, each on its line.
//!
//! Joins `read` with `attribute`. Between [`Walker::prepare`] and [`Walker::result`] nothing is allocated on the heap,
//! and the buffers do not grow unless the process gains hundreds of mappings meanwhile.

mod heap;
mod kept;
mod loader;
mod others;
mod pieces;
mod result;
mod stacks;
mod told;

use crate::ReadError;
use crate::attribute::{
    CLASSES, ClassPages, Classes, Extent, Gap, KernelPages, Outside, Owners, RegionPages, Run, Totals,
};
use crate::read::admission::admit;
use crate::read::arenas::{Arenas, classes};
use crate::read::devices::Devices;
use crate::read::emap::Emap;
use crate::read::held::{HELD_MAX, held_ranges};
use crate::read::mapbuf::{MapBuf, MapList};
use crate::read::maps::Maps;
use crate::read::runs::{Pages, page_bytes};
use crate::read::segments::segments;
use crate::read::{Backend, Residency, Roots, glibc};
pub use kept::PageMap;
pub(crate) use pieces::{Own, Piece};
use pieces::{Storage, cut};

/// Addresses of which the runs are kept at a time; there is room for the most runs that they can have.
const WINDOW_BYTES: usize = 64 << 20;
const SMALLEST_PAGE_BYTES: usize = 4096;
const RUNS: usize = WINDOW_BYTES / SMALLEST_PAGE_BYTES + 16;

/// Extents that are handled together, so that they are still in the processor's caches.
const EXTENTS: usize = 4096;

/// Room for mappings that come while a walk is under way.
const SPARE: usize = 1024;
/// Loadable segments of the program and its libraries; about five each.
const SEGMENTS: usize = 2048;
/// Records of the loader: one for each loaded object.
const LOADER: usize = 512;
/// Arenas that come while a walk is under way.
const SPARE_ARENAS: usize = 16;
/// Buffers of the walk.
const SCRATCH: usize = 16;

/// How often maps are read again because the buffers were too small.
const TRIES: usize = 4;

/// Walks the pages of this process. Keeps its buffers for the next walk.
#[derive(Debug)]
pub struct Walker {
    backend: Option<Backend>,
    roots: Roots<'static>,
    devices: Devices,
    maps: Maps,
    own: MapList<Own>,
    segments: MapList<(usize, usize)>,
    /// Pages that are the dynamic loader's.
    loader: MapList<(usize, usize)>,
    /// Where the main thread's record is, once it was found.
    main_record: Option<usize>,
    /// Where the loader's word for debuggers is, once it was found.
    debug_record: Option<usize>,
    pieces: MapList<Piece>,
    runs: MapList<Run>,
    extents: MapList<Extent>,
    gaps: MapList<Gap>,
    /// One row more than there are regions.
    regions: MapList<RegionPages>,
    by_class: MapBuf<ClassPages>,
    by_arena: MapList<[u64; 4]>,
    counted: MapList<[u64; 4]>,
    classes: Classes,
    /// jemalloc's, or why its extents are not walked.
    jemalloc: Result<(Emap, Arenas), ReadError>,
    /// The map that a walk writes, if one was asked for.
    draft: Option<kept::Draft>,
    found: Found,
}

/// What a walk found, but for what is in buffers.
#[derive(Copy, Clone, Debug, Default)]
struct Found {
    backend: Option<Backend>,
    /// Of the heap, of the others, and of what is our own.
    pages: [KernelPages; 3],
    own_tables: Residency,
    scratch: Residency,
    outside: Outside,
    totals: Totals,
    unlisted: Residency,
    chunks_are_glibcs: bool,
    /// Why jemalloc's counts of arenas and classes are unknown, if they are.
    uncounted: Option<ReadError>,
}

impl Walker {
    /// Maps the buffers and looks at the mounted file systems; about 2 MiB, all of it touched. Allocates.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRoom`] if the kernel gives no memory.
    pub fn new() -> Result<Self, ReadError> {
        Ok(Self {
            backend: None,
            roots: Roots::system(),
            devices: Devices::find(Roots::system()),
            maps: Maps::new()?,
            own: MapList::with_room(SPARE)?,
            segments: MapList::with_room(SEGMENTS)?,
            loader: MapList::with_room(LOADER)?,
            main_record: None,
            debug_record: None,
            pieces: MapList::with_room(SPARE)?,
            runs: MapList::with_room(RUNS)?,
            extents: MapList::with_room(EXTENTS)?,
            gaps: MapList::with_room(2 * SPARE)?,
            regions: MapList::with_room(1)?,
            by_class: MapBuf::new(CLASSES)?,
            by_arena: MapList::with_room(SPARE_ARENAS)?,
            counted: MapList::with_room(SPARE_ARENAS)?,
            classes: Classes::unknown(page_bytes()),
            jemalloc: Err(ReadError::NotAdmitted { step: "preparation", why: "there was none" }),
            draft: None,
            found: Found::default(),
        })
    }

    /// Takes this backend and no other; a backend that does not work is then an error of the walk.
    pub fn force(&mut self, backend: Backend) {
        self.backend = Some(backend);
    }

    /// What can be done before the first reading: the layout of jemalloc's tree is admitted, and the buffers get room
    /// for so many regions and tables, and for the mappings that there are. Makes and frees some blocks, and allocates.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRoom`], or [`ReadError::File`] if maps cannot be read. That jemalloc is not admitted is no error;
    /// [`Walk::heap`](crate::attribute::Walk::heap) says it.
    pub fn prepare(&mut self, regions: usize, tables: usize) -> Result<(), ReadError> {
        // What settings or the linker decided stays; known answers can have been disturbed by other threads.
        if matches!(self.jemalloc, Err(ReadError::NotAdmitted { step: "preparation" | "known answers", .. })) {
            self.jemalloc = self.admit();
        }
        self.regions.grow(regions + 1)?;
        self.regions.set_len(regions + 1);
        let arenas = if self.jemalloc.is_ok() { Arenas::count()? } else { 0 } + SPARE_ARENAS;
        for sums in [&mut self.by_arena, &mut self.counted] {
            sums.grow(arenas)?;
            sums.set_len(arenas);
        }
        self.own.grow(tables + SPARE)?;
        if !self.maps.have_room() {
            self.maps.read(self.roots)?;
        }
        // The heap and the file pass need few pieces and ranges for each mapping.
        let mappings = self.maps.vmas().len();
        self.pieces.grow(2 * (mappings + tables) + SPARE)?;
        self.gaps.grow(2 * (mappings + tables) + SPARE)
    }

    /// Believes a layout that may be wrong.
    #[cfg(test)]
    pub(crate) fn believe(&mut self, emap: Emap) {
        self.jemalloc = Arenas::new().map(|arenas| (emap, arenas));
    }

    fn admit(&mut self) -> Result<(Emap, Arenas), ReadError> {
        self.classes = classes()?;
        let emap = admit(self.roots, &mut self.maps, &self.classes)?;
        Ok((emap, Arenas::new()?))
    }

    /// Reads maps, then every page: first where jemalloc's extents can lie, then the rest, the ledger's own `tables`
    /// (address, bytes) last. Allocates nothing on the heap. jemalloc's statistics must have been refreshed before, by
    /// who wants to compare them.
    ///
    /// Cost: 1.6 to 8 ms for each resident GiB: the kernel's word for each page, a record for each extent, a word for
    /// each page of small blocks, and an entry for each slot of pages that have several owners.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] if maps or pages cannot be read, [`ReadError::NoRoom`].
    pub fn walk(&mut self, owners: &impl Owners, tables: &[(usize, usize)]) -> Result<(), ReadError> {
        self.reset();
        let pages = match self.backend {
            Some(backend) => Pages::force(self.roots, backend),
            None => Pages::open(self.roots),
        }?;
        self.found.backend = Some(pages.backend());
        self.cut(tables)?;
        let admitted = self.jemalloc.is_ok();
        self.heap_pages(&pages, owners)?;
        if admitted && self.jemalloc.is_err() {
            // Its extents turned out to be of a kind that the walk does not understand: once more without them.
            self.reset();
            self.heap_pages(&pages, owners)?;
        }
        self.find_glibc();
        self.find_stacks(&pages);
        self.find_loader(&pages)?;
        self.other_pages(&pages)?;
        self.own_pages(&pages)
    }

    fn reset(&mut self) {
        self.found = Found { backend: self.found.backend, ..Found::default() };
        self.gaps.clear();
        self.regions.fill(RegionPages::default());
        self.by_class.fill(ClassPages::default());
        self.by_arena.fill([0; 4]);
        self.counted.fill([0; 4]);
        for (place, bytes) in self.by_class.iter_mut().zip(self.classes.slab_bytes) {
            place.slab_bytes = bytes;
        }
        self.found.uncounted = self.read_counts().err();
    }

    /// What jemalloc counts, to be compared with what is found.
    fn read_counts(&mut self) -> Result<(), ReadError> {
        let Ok((_, arenas)) = &self.jemalloc else { return Ok(()) };
        for (class, place) in self.by_class.iter_mut().enumerate() {
            (place.counted_slabs, place.counted_slots) = arenas.slabs(class)?;
        }
        // The index behind the last arena stands for all of them together.
        for (index, place) in self.counted.iter_mut().enumerate().take(Arenas::count()?) {
            if Arenas::exists(index)? {
                *place = arenas.bytes(index, self.classes.page_bytes as u64)?;
            }
        }
        Ok(())
    }

    /// Reads maps and cuts the address space into pieces.
    fn cut(&mut self, tables: &[(usize, usize)]) -> Result<(), ReadError> {
        for _ in 0..TRIES {
            self.list_own(tables)?;
            let buffers = self.maps.ranges();
            self.maps.read(self.roots)?;
            if self.maps.ranges() != buffers {
                // They were too small and lie elsewhere now.
                continue;
            }
            segments(self.maps.vmas(), &mut self.segments);
            self.pieces.clear();
            let (devices, pieces) = (&self.devices, &mut self.pieces);
            let storage = |vma: &_| match (devices.is_huge(vma), devices.is_memory(vma)) {
                (true, _) => Storage::Huge,
                (_, true) => Storage::Memory,
                _ => Storage::Disk,
            };
            let (vmas, page_bytes) = (self.maps.vmas(), page_bytes());
            if cut(vmas, &self.own, &self.segments, page_bytes, storage, |piece| pieces.push(piece)) {
                return Ok(());
            }
            // The buffers move, so all of it is done again.
            let room = 2 * self.pieces.room();
            self.pieces.grow(room)?;
        }
        Err(ReadError::Malformed { file: "/proc/self/maps", field: "the number of lines, which grows and grows" })
    }

    /// The ledger's tables and the buffers of the walk, by address.
    fn list_own(&mut self, tables: &[(usize, usize)]) -> Result<(), ReadError> {
        self.own.grow(tables.len() + HELD_MAX + SCRATCH)?;
        self.own.clear();
        let scratch = self.scratch();
        let tables = tables.iter().copied().chain(held_ranges()).map(|(start, bytes)| (start, bytes, false));
        for (start, bytes, scratch) in tables.chain(scratch.map(|(start, bytes)| (start, bytes, true))) {
            // There is room: the list was grown for all of them.
            let _ = self.own.push(Own { start, end: start + bytes, scratch });
        }
        self.own.sort_unstable_by_key(|own| own.start);
        Ok(())
    }

    fn scratch(&self) -> [(usize, usize); 13] {
        let [text, vmas] = self.maps.ranges();
        [
            text,
            vmas,
            self.own.range(),
            self.segments.range(),
            self.loader.range(),
            self.pieces.range(),
            self.runs.range(),
            self.extents.range(),
            self.gaps.range(),
            self.regions.range(),
            self.by_class.range(),
            self.by_arena.range(),
            self.counted.range(),
        ]
    }

    /// Whether what looks like blocks that glibc mapped one by one sums to what glibc says of them.
    fn find_glibc(&mut self) {
        let found = self.found.totals.chunk_bytes;
        self.found.chunks_are_glibcs = found > 0 && glibc::mmapped_bytes().is_some_and(|bytes| bytes as u64 == found);
    }
}
