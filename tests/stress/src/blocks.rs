//! The allocator's four methods, called raw: every call is counted by the oracle and checked against what it knows.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::NonNull;

use heapledger_core::{AdoptError, RegionId};

use crate::LEDGER;
use crate::failure::fail;
use crate::oracle::{Count, Side};

/// A live block, and the region that it was charged to.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    at: NonNull<u8>,
    size: u32,
    usable: u32,
    region: u16,
    align_shift: u8,
}

// SAFETY: a block is memory that belongs to whoever holds this value; no thread is part of it.
unsafe impl Send for Block {}

/// What a history asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// Bytes, 0 included.
    pub size: usize,
    /// Base-2 logarithm of the alignment.
    pub align_shift: u8,
}

impl Request {
    /// Bytes at the alignment that `malloc` gives.
    pub const fn bytes(size: usize) -> Request {
        Request { size, align_shift: 3 }
    }

    fn layout(self) -> Layout {
        layout(self.size, self.align_shift)
    }
}

/// Which method makes the block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// `alloc`.
    Plain,
    /// `alloc_zeroed`.
    Zeroed,
}

fn layout(size: usize, align_shift: u8) -> Layout {
    match Layout::from_size_align(size, 1 << align_shift) {
        Ok(layout) => layout,
        Err(_) => fail(format_args!("no layout of {size} bytes at 2^{align_shift}")),
    }
}

/// Allocates in the region that the caller is in, which must be the one with index `region`.
#[inline]
pub fn allocate(make: Make, request: Request, region: usize, count: &mut impl Count) -> Block {
    let layout = request.layout();
    let raw = match make {
        // SAFETY: the ledger documents that a size of 0 is served as one byte; any other layout is valid for `alloc`.
        Make::Plain => unsafe { LEDGER.alloc(layout) },
        // SAFETY: as above.
        Make::Zeroed => unsafe { LEDGER.alloc_zeroed(layout) },
    };
    let Some(at) = NonNull::new(raw) else { fail(format_args!("{request:?} was refused")) };
    let block = Block::new(at, request, region);
    if !raw.addr().is_multiple_of(layout.align()) {
        fail(format_args!("{block:?} is not aligned"));
    }
    if make == Make::Zeroed {
        block.check_zeroed();
    }
    block.mark();
    count.count(region, Side::Allocated, request.size, block.usable as usize);
    block
}

/// Asks for more than there can be: the answer must be null, and nothing is counted.
pub fn allocate_too_much(make: Make, bytes: usize) {
    let layout = layout(bytes, 4);
    let raw = match make {
        // SAFETY: the layout has a size above 0.
        Make::Plain => unsafe { LEDGER.alloc(layout) },
        // SAFETY: as above.
        Make::Zeroed => unsafe { LEDGER.alloc_zeroed(layout) },
    };
    if !raw.is_null() {
        fail(format_args!("{bytes} bytes were served"));
    }
}

impl Block {
    fn new(at: NonNull<u8>, request: Request, region: usize) -> Block {
        // SAFETY: the block is live, and jemalloc's.
        let usable = unsafe { tikv_jemalloc_sys::malloc_usable_size(at.as_ptr().cast()) };
        let (Ok(size), Ok(usable), Ok(region)) =
            (u32::try_from(request.size), u32::try_from(usable), u16::try_from(region))
        else {
            fail(format_args!("{request:?} with {usable} usable bytes is more than a history has"))
        };
        Block { at, size, usable, region, align_shift: request.align_shift }
    }

    /// Its address.
    pub fn address(&self) -> usize {
        self.at.as_ptr().addr()
    }

    /// The index of the region that it is charged to.
    pub fn region(&self) -> usize {
        usize::from(self.region)
    }

    /// What it was asked for with.
    pub fn request(&self) -> Request {
        Request { size: self.size as usize, align_shift: self.align_shift }
    }

    /// What the ledger says of a live block must be what the oracle knows.
    #[inline]
    pub fn check_owner(&self) {
        let found = heapledger_alloc::block_owner(self.at.as_ptr(), self.request().layout());
        if found != self.region() {
            fail(format_args!("{self:?} is said to belong to region {found}"));
        }
    }

    /// Frees the block, from whatever region and thread the caller is in.
    #[inline]
    pub fn free(self, count: &mut impl Count) {
        self.check_owner();
        self.check_mark();
        count.count(self.region(), Side::Freed, self.size as usize, self.usable as usize);
        // SAFETY: the block is live, came from the ledger with this layout, and this value is its only owner.
        unsafe { LEDGER.dealloc(self.at.as_ptr(), self.request().layout()) }
    }

    /// Reallocates. The block stays charged to its region, and a `realloc` counts as a free and an allocation.
    pub fn resize(self, size: usize, count: &mut impl Count) -> Block {
        self.check_owner();
        self.check_mark();
        // SAFETY: the block is live with this layout; a new size of 0 is served as one byte, as the ledger documents.
        let raw = unsafe { LEDGER.realloc(self.at.as_ptr(), self.request().layout(), size) };
        let Some(at) = NonNull::new(raw) else { fail(format_args!("{self:?} could not become {size} bytes")) };
        let block = Block::new(at, Request { size, align_shift: self.align_shift }, self.region());
        if size > 0 && self.size > 0 && block.read(0) != self.first_mark() {
            fail(format_args!("{self:?} lost its first byte when it became {size} bytes"));
        }
        if size >= self.size as usize && self.size > 1 && block.read(self.size as usize - 1) != self.last_mark() {
            fail(format_args!("{self:?} lost its last byte when it became {size} bytes"));
        }
        block.mark();
        block.check_owner();
        count.count(self.region(), Side::Freed, self.size as usize, self.usable as usize);
        count.count(self.region(), Side::Allocated, size, block.usable as usize);
        block
    }

    /// Charges the block to another region, which counts as a free and an allocation.
    pub fn adopt(self, to: RegionId, count: &mut impl Count) -> Block {
        self.check_owner();
        self.check_mark();
        // SAFETY: the block is live with this layout, and this value is its only owner.
        let adopted = unsafe { to.adopt_raw(self.at.as_ptr(), self.request().layout()) };
        match adopted {
            Ok(()) => {}
            // What lies in an isolated region's arena stays there.
            Err(AdoptError::Isolated) if heapledger_alloc::page_word(self.address()).is_isolated() => {
                self.mark();
                return self;
            }
            Err(error) => fail(format_args!("{self:?} was not adopted: {error}")),
        }
        let block = Block { region: to.index() as u16, ..self };
        block.mark();
        block.check_owner();
        if block.region != self.region {
            count.count(self.region(), Side::Freed, self.size as usize, self.usable as usize);
            count.count(block.region(), Side::Allocated, self.size as usize, self.usable as usize);
        }
        block
    }

    /// Reallocates to more than there can be: null, and the block is as it was.
    pub fn resize_too_much(&self, bytes: usize) {
        // SAFETY: the block is live with this layout, and the size is below `isize::MAX` when rounded up.
        let raw = unsafe { LEDGER.realloc(self.at.as_ptr(), self.request().layout(), bytes) };
        if !raw.is_null() {
            fail(format_args!("{self:?} became {bytes} bytes"));
        }
        self.check_owner();
        self.check_mark();
    }

    fn read(&self, offset: usize) -> u8 {
        // SAFETY: callers stay below the requested size of a live block, whose byte there was written by `mark` or is
        // zero by `alloc_zeroed`.
        let place = unsafe { self.at.add(offset) };
        // SAFETY: as above.
        unsafe { place.read() }
    }

    fn write(&self, offset: usize, byte: u8) {
        // SAFETY: callers stay below the requested size of a live block.
        let place = unsafe { self.at.add(offset) };
        // SAFETY: as above; this value is the block's only owner.
        unsafe { place.write(byte) }
    }

    /// Depends on what does not change when the block moves.
    fn first_mark(&self) -> u8 {
        (self.region as u8) ^ self.align_shift ^ 0xa5
    }

    fn last_mark(&self) -> u8 {
        self.first_mark() ^ (self.size as u8) ^ ((self.address() >> 4) as u8)
    }

    #[inline]
    fn mark(&self) {
        if self.size > 1 {
            self.write(self.size as usize - 1, self.last_mark());
        }
        if self.size > 0 {
            self.write(0, self.first_mark());
        }
    }

    /// Nobody else wrote to the block.
    #[inline]
    fn check_mark(&self) {
        let spoilt = self.size > 1 && self.read(self.size as usize - 1) != self.last_mark()
            || self.size > 0 && self.read(0) != self.first_mark();
        if spoilt {
            fail(format_args!("{self:?} was written to by somebody else"));
        }
    }

    fn check_zeroed(&self) {
        let size = self.size as usize;
        let dirty = |offset: &usize| self.read(*offset) != 0;
        if let Some(offset) =
            [0, size / 2, size.saturating_sub(1)].iter().find(|&offset| *offset < size && dirty(offset))
        {
            fail(format_args!("{self:?} is not zero at byte {offset}"));
        }
    }
}
