//! Bytes by where they were and where they are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::transport::{Amount, Place};

/// Least and most bytes of one pair of places.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Cell {
    pub least: u64,
    pub most: u64,
    /// Of `most`, in blocks whose pages may have left memory uncounted.
    pub forced: u64,
    /// Of all of these, what is known exactly.
    exact: u64,
}

/// All pairs.
#[derive(Debug)]
pub(super) struct Cells {
    places: HashMap<(Place, Place), usize, BuildHasherDefault<Mixer>>,
    cells: Vec<((Place, Place), Cell)>,
    /// Where pairs were found that came lately, by a few bits of what they are.
    lately: [usize; LATELY],
    /// What could be in several places, by where it was and by where it is.
    had: HashMap<Place, u64, BuildHasherDefault<Mixer>>,
    has: HashMap<Place, u64, BuildHasherDefault<Mixer>>,
}

/// A few regions and states in either place.
const LATELY: usize = 64;

impl Default for Cells {
    fn default() -> Self {
        Self {
            places: HashMap::default(),
            cells: Vec::new(),
            lately: [usize::MAX; LATELY],
            had: HashMap::default(),
            has: HashMap::default(),
        }
    }
}

impl Cells {
    /// So many bytes were in one place and are in the other.
    #[inline]
    pub fn exactly(&mut self, source: Place, target: Place, forced: bool, bytes: u64) {
        let cell = self.cell(source, target);
        cell.least += bytes;
        cell.most += bytes;
        cell.exact += bytes;
        cell.forced += if forced { bytes } else { 0 };
    }

    /// Of what [`Cells::open`] was told, so many bytes at least and at most.
    pub fn within(&mut self, source: Place, target: Place, forced: bool, (least, most): (u64, u64)) {
        let cell = self.cell(source, target);
        cell.least += least;
        cell.most += most;
        cell.forced += if forced { most } else { 0 };
    }

    /// So many bytes were there, and went to several places.
    pub fn open_source(&mut self, source: Place, bytes: u64) {
        *self.had.entry(source).or_default() += bytes;
    }

    /// So many bytes are there, and came from several places.
    pub fn open_target(&mut self, target: Place, bytes: u64) {
        *self.has.entry(target).or_default() += bytes;
    }

    #[inline]
    fn cell(&mut self, source: Place, target: Place) -> &mut Cell {
        let key = (source, target);
        let hint = source.few_bits().wrapping_mul(7).wrapping_add(target.few_bits()) % LATELY;
        let at = match self.cells.get(self.lately[hint]) {
            Some((known, _)) if *known == key => self.lately[hint],
            _ => {
                let cells = &mut self.cells;
                let at = *self.places.entry(key).or_insert_with(|| {
                    cells.push((key, Cell::default()));
                    cells.len() - 1
                });
                self.lately[hint] = at;
                at
            }
        };
        &mut self.cells[at].1
    }

    /// What was where at the first mark; a place may come more than once.
    pub fn had(&self) -> impl Iterator<Item = (Place, u64)> {
        let exact = self.cells.iter().map(|((source, _), cell)| (*source, cell.exact));
        exact.chain(self.had.iter().map(|(place, bytes)| (*place, *bytes)))
    }

    /// What is where at the second mark; a place may come more than once.
    pub fn has(&self) -> impl Iterator<Item = (Place, u64)> {
        let exact = self.cells.iter().map(|((_, target), cell)| (*target, cell.exact));
        exact.chain(self.has.iter().map(|(place, bytes)| (*place, *bytes)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Place, Place, Cell)> {
        self.cells.iter().map(|((source, target), cell)| (*source, *target, *cell))
    }
}

/// What stays where it is in slabs of several regions, by the number of the region: most that is told of these.
#[derive(Debug)]
pub(super) struct Stays {
    several: u32,
    blocks: Vec<u64>,
    /// In slabs that several keep, by who was there last.
    slots: Vec<u64>,
}

/// Regions that are counted in a list; those of higher numbers are cells at once.
const LISTED: usize = 1 << 12;

impl Stays {
    pub fn new(several: u32) -> Self {
        Self { several, blocks: vec![0; LISTED], slots: vec![0; LISTED] }
    }

    #[inline]
    pub fn add(&mut self, amount: Amount, times: u64, cells: &mut Cells) {
        let listed = match amount.place {
            Place::Block(region) if !amount.forced => self.blocks.get_mut(region as usize),
            Place::Slot { last, keeper } if keeper == self.several => self.slots.get_mut(last as usize),
            _ => None,
        };
        match listed {
            Some(bytes) => *bytes += amount.bytes * times,
            None => {
                let (source, target) = (amount.place.as_source(), amount.place.as_target());
                cells.exactly(source, target, amount.forced, amount.bytes * times);
            }
        }
    }

    pub fn finish(self, cells: &mut Cells) {
        let of = |bytes: Vec<u64>| (0_u32..).zip(bytes).filter(|(_, bytes)| *bytes > 0);
        for (region, bytes) in of(self.blocks) {
            cells.exactly(Place::Block(region), Place::Block(region), false, bytes);
        }
        for (last, bytes) in of(self.slots) {
            let place = Place::Slot { last, keeper: self.several };
            cells.exactly(place.as_source(), place.as_target(), false, bytes);
        }
    }
}

/// A hash of small numbers, none of which an adversary chooses.
#[derive(Debug, Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        // The table looks at the high bits and at the low ones.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}
