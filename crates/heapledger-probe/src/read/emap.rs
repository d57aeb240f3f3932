//! jemalloc's radix tree: which range is its, and in what state.
//!
//! Nothing is read by address here before `admission` showed that the layout is the right one, and then only inside
//! mappings that the last reading of maps found to be readable anonymous memory: jemalloc never gives back memory in
//! which nodes of the tree or records of extents lie, save when an arena is destroyed (`arena.<i>.destroy`), which
//! nothing but the program's own wish does.
#![allow(unsafe_code)]

use std::ops::Range;

use super::decode::{Element, Record, state_of};
use super::layouts::{LAYOUTS, Layout};
use super::maps::Vma;
use super::memory::{load, prefetch};
use crate::attribute::{Bitmap, Extent, ExtentState};

/// How often an extent that changes while it is read is looked at again.
const TRIES: usize = 4;

/// How many elements ahead of the one that is read the records are asked for, at least: records lie apart, and each is waited for
/// longer than it takes to handle a slab.
const AHEAD: usize = 48;

/// For so many elements together records are asked for.
const TOGETHER: usize = 16;

/// Where large ones of two sizes take turns, a block and what its size was rounded up by, so many pairs are asked for
/// together: each lies in another page of the tree.
const PAIRS: usize = 4;

/// The layout of nearly every build.
const USUAL: Layout = LAYOUTS[0];

/// A tree whose layout was admitted.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Emap {
    pub(super) symbol: usize,
    pub(crate) layout: &'static Layout,
}

/// The stretch of readable anonymous memory around `start..end`, if it is one.
pub(crate) fn readable(vmas: &[Vma], start: usize, end: usize) -> Option<(usize, usize)> {
    let good = |vma: &&Vma| vma.readable && vma.is_anonymous();
    let at = vmas.partition_point(|vma| vma.end <= start);
    let first = vmas.get(at).filter(good).filter(|vma| vma.start <= start)?;
    let mut behind = first.end;
    for vma in vmas.iter().skip(at + 1) {
        if vma.start != behind || !good(&vma) {
            break;
        }
        behind = vma.end;
    }
    (start <= end && end <= behind).then_some((first.start, behind))
}

/// Goes through the extents of a stretch of addresses, from low to high.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    emap: Emap,
    vmas: &'a [Vma],
    /// The next address to look at.
    pub(crate) at: usize,
    /// Where the stretch ends; no extent reaches beyond.
    end: usize,
    /// The array of the last level for addresses below `leaf_until`, minus its first address's part; 0 if there is
    /// none.
    leaf: usize,
    leaf_until: usize,
    /// Whether an extent had guards around it, which the sums of jemalloc's statistics do not understand.
    pub(crate) guarded: bool,
    /// A stretch in which records were found to lie.
    records: (usize, usize),
    /// Records of slabs that begin below this were asked for.
    asked_until: usize,
    /// Records of large extents that begin below this were asked for, and elements of as many pairs behind them.
    guessed_until: usize,
    /// Nothing was asked for since the sizes took other turns.
    guesses_anew: bool,
    /// Bytes of the last two extents, the last one first.
    last_bytes: [usize; 2],
}

impl Emap {
    /// A cursor for `start..end`, a stretch of private anonymous memory among `vmas`.
    pub(crate) fn cursor<'a>(&self, vmas: &'a [Vma], start: usize, end: usize) -> Cursor<'a> {
        Cursor {
            emap: *self,
            vmas,
            at: start,
            end,
            leaf: 0,
            leaf_until: start,
            guarded: false,
            records: (0, 0),
            asked_until: start,
            guessed_until: start,
            guesses_anew: true,
            last_bytes: [0; 2],
        }
    }

    /// The array of the last level for an address, if there is one, and it lies in readable memory.
    fn leaf(&self, vmas: &[Vma], address: usize) -> Option<usize> {
        let layout = self.layout;
        let mut array = self.symbol + layout.root_offset;
        for level in 0..layout.height - 1 {
            let place = array + layout.index(level, address) * layout.node_bytes;
            // SAFETY: the root is a static of jemalloc's, whose extent was checked at admission; every other array was
            // found below to be readable as a whole. Arrays are never given back.
            let child = unsafe { load(place) } as usize;
            if child == 0 || !child.is_multiple_of(8) {
                return None;
            }
            readable(vmas, child, child.checked_add(layout.array_bytes(level + 1))?)?;
            array = child;
        }
        Some(array)
    }
}

impl Cursor<'_> {
    /// Fills `out` with the extents that begin below `limit`; `false` from `out` ends it, and the extent comes again.
    /// Afterwards all addresses below `at` are done.
    pub(crate) fn fill(&mut self, limit: usize, out: impl FnMut(Extent) -> bool) {
        // PERF: with the shifts and masks known when it is compiled, an extent takes half of the time.
        if *self.emap.layout == USUAL {
            self.fill_by(&USUAL, limit, out);
        } else {
            self.fill_by(self.emap.layout, limit, out);
        }
    }

    #[inline(always)]
    fn fill_by(&mut self, layout: &Layout, limit: usize, mut out: impl FnMut(Extent) -> bool) {
        let page_bytes = layout.page_bytes();
        let limit = limit.min(self.end);
        while self.at < limit {
            if self.at >= self.leaf_until {
                self.enter_leaf();
            }
            if self.leaf == 0 {
                self.at = self.leaf_until.min(limit);
                continue;
            }
            let element = self.element_at(layout, self.at);
            if element.record == 0 {
                self.at += page_bytes;
                continue;
            }
            let extent = self.extent(layout, element);
            if !out(extent) {
                return;
            }
            self.at = extent.end;
        }
    }

    fn enter_leaf(&mut self) {
        let span = self.emap.layout.leaf_span_bytes();
        let first = self.at - self.at % span;
        // The last span below the end of the address space has no end of its own; no process reaches it.
        self.leaf_until = first.wrapping_add(span).max(first);
        let biased = |leaf: usize| {
            leaf.wrapping_sub((first >> self.emap.layout.page_shift).wrapping_mul(self.emap.layout.leaf_bytes))
        };
        self.leaf = self.emap.leaf(self.vmas, self.at).map_or(0, biased);
    }

    #[inline(always)]
    fn place(&self, layout: &Layout, address: usize) -> usize {
        self.leaf.wrapping_add((address >> layout.page_shift).wrapping_mul(layout.leaf_bytes))
    }

    /// The element of a page below `leaf_until`; there is an array.
    #[inline(always)]
    fn element_at(&self, layout: &Layout, address: usize) -> Element {
        let place = self.place(layout, address);
        if self.leaf == 0 {
            return layout.element(0, 0);
        }
        // SAFETY: the place lies in the array of the last level, which was found to be readable and is never given
        // back.
        let pointer = unsafe { load(place + layout.leaf_edata_offset) };
        if layout.compact {
            return layout.element(pointer, pointer);
        }
        // SAFETY: as above; the upper half is padding.
        let metadata = unsafe { load(place + layout.leaf_metadata_offset) };
        layout.element(pointer, metadata)
    }

    /// Reads a slab's bitmap; `None` if the slab is not what it was when this cursor came by.
    pub(crate) fn bitmap(&self, extent: &Extent) -> Option<Bitmap> {
        let layout = self.emap.layout;
        let mut bitmap = Bitmap::default();
        for (word, place) in bitmap.iter_mut().zip((extent.record + layout.edata_slab_offset..).step_by(8)) {
            // SAFETY: this cursor found the record in readable memory that jemalloc keeps; the bitmap is a part of it.
            *word = unsafe { load(place) };
        }
        let span = layout.leaf_span_bytes();
        let element = if extent.start / span == self.leaf_until.wrapping_sub(1) / span {
            self.element_at(layout, extent.start)
        } else {
            let mut other = self.emap.cursor(self.vmas, extent.start, extent.end);
            other.enter_leaf();
            other.element_at(layout, extent.start)
        };
        let same = element.record == extent.record && element.slab && element.szind == extent.szind;
        (same && element.state == 0).then_some(bitmap)
    }

    /// The extent that begins at `at`, or a page that moves.
    #[inline(always)]
    fn extent(&mut self, layout: &Layout, mut element: Element) -> Extent {
        for _ in 0..TRIES {
            let record = self.record(layout, element.record);
            let again = self.element_at(layout, self.at);
            if again == element
                && let Some(extent) = record.and_then(|record| self.judge(layout, element, record))
            {
                self.guarded |= record.is_some_and(|record| record.guarded);
                self.fetch_ahead(layout, &extent);
                return extent;
            }
            element = again;
            std::hint::spin_loop();
        }
        let end = (self.at + layout.page_bytes()).min(self.end);
        Extent { start: self.at, end, state: ExtentState::Moved, ..Extent::default() }
    }

    /// `None` if it begins elsewhere, reaches beyond the stretch, is being changed, or is not of a kind that we know.
    #[inline(always)]
    fn judge(&self, layout: &Layout, element: Element, record: Record) -> Option<Extent> {
        let offset = record.address & (layout.page_bytes() - 1);
        let start = record.address - offset;
        let end = start.checked_add(record.bytes)?;
        let fits = start == self.at && start < end && end <= self.end && !record.huge_page_allocator;
        let state = state_of(element.state).filter(|_| fits)?;
        Some(Extent {
            start,
            end,
            record: element.record,
            state,
            slab: element.slab && state == ExtentState::Active,
            head: element.head,
            szind: element.szind,
            block_offset: offset as u16,
            arena: record.arena,
            free_slots: record.free_slots,
        })
    }

    /// `None` if it cannot be a record.
    #[inline(always)]
    fn record(&mut self, layout: &Layout, address: usize) -> Option<Record> {
        let end = address.checked_add(layout.edata_bytes)?;
        // Alignments are powers of two.
        if address & (layout.edata_align - 1) != 0 {
            return None;
        }
        if address < self.records.0 || end > self.records.1 {
            self.records = readable(self.vmas, address, end)?;
        }
        // SAFETY: aligned, in readable memory that jemalloc keeps.
        let bits = unsafe { load(address + layout.edata_bits_offset) };
        // SAFETY: as above.
        let start = unsafe { load(address + layout.edata_addr_offset) };
        // SAFETY: as above.
        let size = unsafe { load(address + layout.edata_size_offset) };
        Some(layout.record(bits, start, size))
    }

    /// Has the records of extents that come soon fetched.
    #[inline(always)]
    fn fetch_ahead(&mut self, layout: &Layout, extent: &Extent) {
        let bytes = extent.end - extent.start;
        if extent.slab {
            // Every page of a slab says where its record is. PERF: many together, so that branches are foreseen.
            let together = TOGETHER * layout.page_bytes();
            self.asked_until = self.asked_until.max(extent.end);
            while self.asked_until - extent.end < AHEAD * layout.page_bytes()
                && self.asked_until + together <= self.leaf_until
            {
                for page in 0..TOGETHER {
                    prefetch(self.record_at(layout, self.asked_until + page * layout.page_bytes()));
                }
                self.asked_until += together;
            }
        } else {
            self.guess_ahead(layout, extent.end, bytes);
        }
        self.last_bytes = [bytes, self.last_bytes[0]];
    }

    /// The same for large extents, of which this one ends here. Where the next ones begin is a guess; a wrong one costs
    /// nothing but itself.
    #[inline(always)]
    fn guess_ahead(&mut self, layout: &Layout, from: usize, bytes: usize) {
        let [next, before] = self.last_bytes;
        if bytes != before {
            (self.guessed_until, self.guesses_anew) = (from, true);
            return;
        }
        if from < self.guessed_until {
            return;
        }
        let pair = next + bytes;
        let until = self.leaf_until;
        let halves = move |pairs: Range<usize>| {
            let begins = from + pairs.start * pair;
            [0, next].into_iter().flat_map(move |half| (begins + half..until).step_by(pair).take(pairs.len()))
        };
        if self.guesses_anew {
            halves(0..2 * PAIRS).for_each(|at| self.fetch_element(layout, at));
            halves(0..PAIRS).for_each(|at| prefetch(self.record_at(layout, at)));
        }
        // PERF: few at a time, for what waits for page tables blocks what comes behind it. Both halves of a pair lie in
        // one page of the tree, so all of one are asked for first. Elements are asked for a turn before the records that
        // they name, and these a turn before they are read.
        halves(PAIRS..2 * PAIRS).for_each(|at| prefetch(self.record_at(layout, at)));
        halves(2 * PAIRS..3 * PAIRS).for_each(|at| self.fetch_element(layout, at));
        // Behind the end of the array all begins anew.
        let behind = from + PAIRS * pair;
        (self.guessed_until, self.guesses_anew) = (behind.min(until), behind >= until);
    }

    #[inline(always)]
    fn fetch_element(&self, layout: &Layout, address: usize) {
        prefetch(self.place(layout, address) + layout.leaf_edata_offset);
    }

    /// The record that the element of a page below `leaf_until` names; 0 if there is none.
    #[inline(always)]
    fn record_at(&self, layout: &Layout, address: usize) -> usize {
        if self.leaf == 0 {
            return 0;
        }
        // SAFETY: inside the array, as above.
        let pointer = unsafe { load(self.place(layout, address) + layout.leaf_edata_offset) };
        layout.element(pointer, 0).record
    }
}
