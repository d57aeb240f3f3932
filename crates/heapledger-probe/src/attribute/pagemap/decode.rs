//! Reading a map, from low to high addresses.

use super::mixed::{self, Shares};
use super::unit::Unit;
use super::{
    CONTEXTS, Context, DEFINE, FREE, Holder, LARGE, MIXED, OFFSET_STEP, Owner, PAGE, Piece, REPEAT, SAME, SKIP,
    SMALLEST_PAGE_BYTES, SWITCH, Share, UNIT, kind,
};
use crate::attribute::Classes;

/// The pieces of a map, by address. Ends early at what no writer of this version writes.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    classes: &'a Classes,
    at: usize,
    contexts: [Context; CONTEXTS],
    current: usize,
    /// What repeats, and how often still.
    unit: Unit,
    again: u64,
    last_large: (usize, usize),
    /// What is left of a large block.
    block: Option<Block>,
    /// Whether shares of slabs are left out.
    lazily: bool,
    map: &'a [u8],
}

/// Marks the numbers of mixed slabs, which say where in the map their record begins and how long it is.
const RECORD: u64 = 1 << 62;
const RECORD_LEN_SHIFT: u32 = 44;
const RECORD_LEN_MAX: usize = (1 << (62 - RECORD_LEN_SHIFT)) - 1;

#[derive(Copy, Clone, Debug)]
struct Block {
    holder: Holder,
    start: usize,
    end: usize,
    extent_end: usize,
}

impl<'a> Pieces<'a> {
    /// Of a map that was written with these classes.
    pub fn new(map: &'a [u8], classes: &'a Classes) -> Self {
        Self {
            rest: map,
            classes,
            at: 0,
            contexts: [Context::default(); CONTEXTS],
            current: 0,
            unit: Unit::default(),
            again: 0,
            last_large: (0, 0),
            block: None,
            lazily: false,
            map,
        }
    }

    /// The same, with the shares of slabs that are not full left out, see [`Piece::alike`].
    #[must_use]
    pub fn lazily(mut self) -> Self {
        self.lazily = true;
        self
    }

    /// The classes that the map was written with.
    pub fn classes(&self) -> &'a Classes {
        self.classes
    }

    /// Where the last piece ended.
    #[inline]
    pub fn reached(&self) -> usize {
        self.at
    }

    /// The shares of a piece of one owner that is alike others.
    pub fn fill(&self, alike: u64, shares: &mut Vec<Share>) {
        if let Some(unit) = Unit::of_number(alike, self.classes) {
            unit.shares(self.classes, |share| shares.push(share));
        }
    }

    /// The shares of a piece that has this [record](Pieces::record).
    #[inline]
    pub fn shares_of<'r>(&self, record: &'r [u8]) -> Shares<'r> {
        Shares::of(record, self.classes).unwrap_or(Shares::NONE)
    }

    /// What a piece of several owners that is alike others is written as: where the bytes are the same, in whatever map
    /// of the same classes, the shares are. Empty for those of one owner.
    #[inline]
    pub fn record(&self, alike: u64) -> &'a [u8] {
        if alike & (1 << 63 | RECORD) != RECORD {
            return &[];
        }
        let len = (alike & !RECORD) >> RECORD_LEN_SHIFT;
        let start = alike & ((1 << RECORD_LEN_SHIFT) - 1);
        // Both are of a slice.
        self.map.get(start as usize..(start + len) as usize).unwrap_or_default()
    }

    /// The next piece, into `piece`; `false` if there is none.
    #[inline]
    pub fn next_into(&mut self, piece: &mut Piece) -> bool {
        if self.again > 0 {
            self.again -= 1;
            self.unit_into(piece);
            return true;
        }
        if let Some(block) = self.block.take() {
            self.block_into(block, piece);
            return true;
        }
        self.read(piece).is_some()
    }

    fn read(&mut self, piece: &mut Piece) -> Option<()> {
        loop {
            let code = self.byte()?;
            match code {
                0..UNIT => {
                    let free = u64::from(code);
                    return self.slab(free, piece);
                }
                UNIT..REPEAT => {
                    self.current = usize::from(code - UNIT);
                    return self.slab(0, piece);
                }
                REPEAT => {
                    // The first of them was given out with what it repeats, unless it could be given out at once.
                    let count = self.number()?;
                    self.again = count.checked_sub(1)?;
                    self.unit_into(piece);
                    return Some(());
                }
                SKIP => {
                    self.at =
                        self.at.checked_add(usize::try_from(self.number()?).ok()?.checked_mul(SMALLEST_PAGE_BYTES)?)?
                }
                DEFINE => {
                    self.current = usize::from(self.byte()?);
                    let context = Context { kind: self.byte()?, owner: Owner::of_code(self.number()?) };
                    *self.contexts.get_mut(self.current)? = context;
                }
                SWITCH => self.current = usize::from(self.byte()?),
                FREE => {
                    let free = self.number()?;
                    return self.slab(free, piece);
                }
                MIXED => return self.mixed(piece),
                LARGE => {
                    let pages = usize::try_from(self.number()?).ok()?;
                    let before = usize::try_from(self.number()?).ok()?;
                    let behind = usize::try_from(self.number()?).ok()?;
                    self.last_large = (pages, before + behind);
                    return self.large(before, piece);
                }
                SAME => {
                    let before = usize::from(self.byte()?) * OFFSET_STEP;
                    return self.large(before, piece);
                }
                PAGE => return self.page(piece),
                _ => return None,
            }
        }
    }

    /// A slab or a page of the current context, with those that repeat it if they are whole.
    #[inline]
    fn slab(&mut self, free: u64, piece: &mut Piece) -> Option<()> {
        let context = *self.contexts.get(self.current)?;
        let bytes = match context.page() {
            Some(_) => self.classes.page_bytes,
            None => *self.classes.slab_bytes.get(usize::from(context.kind))? as usize,
        };
        self.unit = Unit { context, free, bytes };
        if !self.unit.is_sound(self.classes) {
            return None;
        }
        let start = self.at;
        self.unit_into(piece);
        // Whole ones side by side are one piece.
        if piece.shares.len() == 1 && self.rest.first() == Some(&REPEAT) {
            self.byte();
            let more = usize::try_from(self.number()?).ok()?.checked_mul(bytes)?;
            self.at = self.at.checked_add(more)?;
            piece.end = self.at;
            piece.shares[0].bytes = (piece.end - start) as u64;
        }
        Some(())
    }

    #[inline]
    fn unit_into(&mut self, piece: &mut Piece) {
        piece.start = self.at;
        piece.end = self.at + self.unit.bytes;
        self.at = piece.end;
        piece.shares.clear();
        if self.lazily
            && let Some(number) = self.unit.number(self.classes)
        {
            piece.alike = number;
            return;
        }
        piece.alike = 0;
        self.unit.shares(self.classes, |share| piece.add(share.holder, share.bytes));
    }

    fn mixed(&mut self, piece: &mut Piece) -> Option<()> {
        let start = self.map.len() - self.rest.len();
        let (record, rest) = self.rest.split_at_checked(mixed::bytes_of(self.rest)?)?;
        self.rest = rest;
        let slab_bytes = *self.classes.slab_bytes.get(usize::from(*record.first()?))?;
        piece.start = self.at;
        piece.end = self.at + slab_bytes as usize;
        self.at = piece.end;
        piece.shares.clear();
        if self.lazily && record.len() <= RECORD_LEN_MAX && start >> RECORD_LEN_SHIFT == 0 {
            piece.alike = RECORD | (record.len() as u64) << RECORD_LEN_SHIFT | start as u64;
            return Some(());
        }
        piece.alike = 0;
        piece.shares.extend(Shares::of(record, self.classes)?);
        Some(())
    }

    /// A large block like the last one, with so many bytes before it.
    fn large(&mut self, before: usize, piece: &mut Piece) -> Option<()> {
        let holder = self.contexts.get(self.current)?.page()?;
        let (pages, around) = self.last_large;
        let behind = around.checked_sub(before)?;
        let extent_end = self.at.checked_add(pages.checked_mul(self.classes.page_bytes)?)?;
        let block = Block { holder, start: self.at + before, end: extent_end.checked_sub(behind)?, extent_end };
        self.block_into(block, piece);
        Some(())
    }

    /// The next part of a large block's extent: a page that it shares with its pad, or pages that are all one thing.
    fn block_into(&mut self, block: Block, piece: &mut Piece) {
        let page_bytes = self.classes.page_bytes;
        let start = self.at;
        let is_whole = block.start <= start && start + page_bytes <= block.end;
        let end = if is_whole {
            block.end - block.end % page_bytes
        } else if start >= block.end {
            block.extent_end
        } else {
            start + page_bytes
        };
        let inside = block.end.min(end).saturating_sub(block.start.max(start)) as u64;
        piece.start = start;
        piece.end = end;
        piece.alike = 0;
        piece.shares.clear();
        for (holder, bytes) in [(block.holder, inside), (Holder::Pad, (end - start) as u64 - inside)] {
            if bytes > 0 {
                piece.shares.push(Share { holder, bytes });
            }
        }
        self.at = end;
        self.block = (end < block.extent_end).then_some(block);
    }

    fn page(&mut self, piece: &mut Piece) -> Option<()> {
        piece.start = self.at;
        piece.end = self.at + self.classes.page_bytes;
        self.at = piece.end;
        piece.alike = 0;
        piece.shares.clear();
        for _ in 0..self.number()? {
            let kind = self.byte()?;
            let owner = Owner::of_code(self.number()?);
            let holder = if kind == kind::SLOT {
                Holder::Slot { last: owner, keeper: Owner::of_code(self.number()?) }
            } else {
                Context { kind, owner }.page()?
            };
            piece.shares.push(Share { holder, bytes: self.number()? });
        }
        Some(())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        mixed::byte(&mut self.rest)
    }

    fn number(&mut self) -> Option<u64> {
        mixed::number(&mut self.rest)
    }
}

impl Piece {
    pub(super) fn add(&mut self, holder: Holder, bytes: u64) {
        match self.shares.iter_mut().find(|share| share.holder == holder) {
            Some(share) => share.bytes += bytes,
            None if bytes > 0 => self.shares.push(Share { holder, bytes }),
            None => {}
        }
    }
}
