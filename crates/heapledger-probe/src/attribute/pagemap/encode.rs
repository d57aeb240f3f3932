//! Writing a map, at rising addresses, into a slice.

use super::{
    CONTEXTS, Context, DEFINE, FREE, FREE_DIRECT, HUGE_BYTES, Holder, LARGE, MIXED, OFFSET_STEP, Owner, PAGE, REPEAT,
    SAME, SKIP, SMALLEST_PAGE_BYTES, SWITCH, Share, UNIT, kind,
};

/// Why there is no map.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum MapFault {
    /// It did not fit into the memory that was given.
    NoRoom,
    /// Pages did not come by address.
    Disorder,
    /// The backend does not tell pages of zeroes from others.
    Unclear,
}

/// Writes a map. What does not fit is told at the end; nothing panics and nothing is allocated.
#[derive(Debug)]
pub struct MapWriter<'a> {
    out: &'a mut [u8],
    state: State,
}

/// Where the writing of a map stands.
#[derive(Debug)]
struct State {
    len: usize,
    /// As far as what address it is written.
    at: usize,
    fault: Option<MapFault>,
    contexts: [Context; CONTEXTS],
    defined: usize,
    /// The next context that gives way to a new one.
    next: usize,
    current: usize,
    pending: Option<Unit>,
    /// Pages of the last large block, and its bytes that are not in the block.
    last_large: (usize, usize),
}

/// A slab or page that is repeated, perhaps.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct Unit {
    context: usize,
    /// 0 for a page.
    free: u64,
    bytes: usize,
    count: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            len: 0,
            at: 0,
            fault: None,
            contexts: [Context::default(); CONTEXTS],
            defined: 0,
            next: 0,
            current: usize::MAX,
            pending: None,
            last_large: (0, 0),
        }
    }
}

impl<'a> MapWriter<'a> {
    /// Begins an empty map.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, state: State::default() }
    }

    /// Ends the map: how many bytes it has.
    ///
    /// # Errors
    ///
    /// [`MapFault`], the first that came.
    pub fn finish(mut self) -> Result<usize, MapFault> {
        self.flush();
        self.state.fault.map_or(Ok(self.state.len), Err)
    }

    /// Some page may be resident or not.
    pub fn unclear(&mut self) {
        self.fail(MapFault::Unclear);
    }

    /// A slab of one owner, all of it resident.
    #[inline]
    pub fn slab(&mut self, start: usize, bytes: usize, class: usize, owner: Owner, free_slots: u64) {
        // Classes are fewer than 64.
        let context = Context { kind: class as u8, owner };
        self.unit(start, context, free_slots, bytes);
    }

    /// Pages side by side that are for one thing.
    pub fn pages(&mut self, start: usize, end: usize, page_bytes: usize, holder: Holder) {
        let Some(context) = Context::of_page(holder) else { return self.fail(MapFault::Disorder) };
        if start >= end {
            return;
        }
        let count = ((end - start) / page_bytes) as u64;
        self.units(start, context, 0, page_bytes, count);
    }

    /// A slab of several owners, all of it resident: allocated slots by owner, free ones by last owner.
    pub fn mixed(
        &mut self,
        (start, bytes): (usize, usize),
        class: usize,
        allocated: impl Iterator<Item = (Owner, u64)> + Clone,
        free: impl Iterator<Item = (Owner, u64)> + Clone,
    ) {
        self.seek(start);
        self.byte(MIXED);
        self.byte(class as u8);
        self.owners(allocated);
        self.owners(free);
        self.state.at = start + bytes;
    }

    fn owners(&mut self, owners: impl Iterator<Item = (Owner, u64)> + Clone) {
        self.number(owners.clone().count() as u64);
        for (owner, slots) in owners {
            self.number(owner.code());
            self.number(slots);
        }
    }

    /// A large block, all of whose extent is resident: `before` bytes lie before the block, less than a page, and
    /// `behind` bytes behind it.
    pub fn large(&mut self, (start, bytes): (usize, usize), page_bytes: usize, owner: Owner, around: (usize, usize)) {
        self.seek(start);
        let kind = if bytes >= HUGE_BYTES { kind::HUGE } else { kind::LARGE };
        self.switch(Context { kind, owner });
        let (before, behind) = around;
        let shape = (bytes / page_bytes, before + behind);
        if shape == self.state.last_large && before.is_multiple_of(OFFSET_STEP) && before / OFFSET_STEP < 256 {
            self.byte(SAME);
            self.byte((before / OFFSET_STEP) as u8);
        } else {
            self.byte(LARGE);
            self.number(shape.0 as u64);
            self.number(before as u64);
            self.number(behind as u64);
            self.state.last_large = shape;
        }
        self.state.at = start + bytes;
    }

    /// One page, by its shares.
    pub fn page(&mut self, start: usize, page_bytes: usize, shares: impl Iterator<Item = Share> + Clone) {
        self.seek(start);
        self.byte(PAGE);
        self.number(shares.clone().count() as u64);
        for share in shares {
            match share.holder {
                Holder::Slot { last, keeper } => {
                    self.byte(kind::SLOT);
                    self.number(last.code());
                    self.number(keeper.code());
                }
                holder => {
                    let Some(context) = Context::of_page(holder) else { return self.fail(MapFault::Disorder) };
                    self.byte(context.kind);
                    self.number(context.owner.code());
                }
            }
            self.number(share.bytes);
        }
        self.state.at = start + page_bytes;
    }

    #[inline]
    fn unit(&mut self, start: usize, context: Context, free: u64, bytes: usize) {
        // What repeats is counted.
        if start == self.state.at
            && let Some(pending) = &mut self.state.pending
            && pending.free == free
            && pending.bytes == bytes
            && self.state.contexts[pending.context] == context
        {
            pending.count += 1;
            self.state.at += bytes;
            return;
        }
        self.units(start, context, free, bytes, 1);
    }

    fn units(&mut self, start: usize, context: Context, free: u64, bytes: usize, count: u64) {
        if start == self.state.at
            && let Some(pending) = &mut self.state.pending
            && pending.free == free
            && pending.bytes == bytes
            && self.state.contexts[pending.context] == context
        {
            pending.count += count;
        } else {
            self.seek(start);
            let context = self.context(context);
            self.state.pending = Some(Unit { context, free, bytes, count });
        }
        self.state.at += bytes * count as usize;
    }

    /// Writes what is pending, and goes on at this address.
    fn seek(&mut self, start: usize) {
        self.flush();
        match start.checked_sub(self.state.at) {
            Some(0) => {}
            Some(bytes) => {
                self.byte(SKIP);
                self.number((bytes / SMALLEST_PAGE_BYTES) as u64);
            }
            None => self.fail(MapFault::Disorder),
        }
        self.state.at = start;
    }

    fn flush(&mut self) {
        let Some(unit) = self.state.pending.take() else { return };
        let whole = unit.free == 0;
        // Contexts are 64, so the byte is below 192.
        let code = if whole { UNIT + unit.context as u8 } else { unit.free.min(FREE_DIRECT) as u8 };
        if !whole && self.state.current != unit.context {
            self.byte(SWITCH);
            self.byte(unit.context as u8);
        }
        self.state.current = unit.context;
        let short = whole || unit.free <= FREE_DIRECT;
        if short {
            self.byte(code);
        } else {
            self.byte(FREE);
            self.number(unit.free);
        }
        match unit.count - 1 {
            0 => {}
            again @ 1..=2 if short => (0..again).for_each(|_| self.byte(code)),
            again => {
                self.byte(REPEAT);
                self.number(again);
            }
        }
    }

    fn switch(&mut self, context: Context) {
        let place = self.context(context);
        if self.state.current != place {
            self.byte(SWITCH);
            self.byte(place as u8);
            self.state.current = place;
        }
    }

    /// The place of a context, which becomes the current one if it is new.
    fn context(&mut self, context: Context) -> usize {
        let state = &self.state;
        if state.contexts.get(state.current) == Some(&context) {
            return state.current;
        }
        let known = state.contexts.get(..state.defined).unwrap_or_default();
        if let Some(place) = known.iter().position(|known| *known == context) {
            return place;
        }
        let state = &mut self.state;
        let place = state.next;
        state.next = (place + 1) % CONTEXTS;
        state.defined = state.defined.max(place + 1);
        state.contexts[place] = context;
        state.current = place;
        self.byte(DEFINE);
        self.byte(place as u8);
        self.byte(context.kind);
        self.number(context.owner.code());
        place
    }

    fn number(&mut self, mut number: u64) {
        while number >= 128 {
            self.byte((number & 127) as u8 | 128);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        match self.out.get_mut(self.state.len) {
            Some(place) => {
                *place = byte;
                self.state.len += 1;
            }
            None => self.fail(MapFault::NoRoom),
        }
    }

    fn fail(&mut self, fault: MapFault) {
        self.state.fault.get_or_insert(fault);
    }
}
