//! Bytes by where they were and where they are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::transport::Place;

/// Least and most bytes of one pair of places.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Cell {
    pub least: u64,
    pub most: u64,
    /// Of `most`, in blocks whose pages may have left memory uncounted.
    pub forced: u64,
}

/// All pairs.
#[derive(Debug, Default)]
pub(super) struct Cells {
    places: HashMap<(Place, Place), usize, BuildHasherDefault<Mixer>>,
    cells: Vec<((Place, Place), Cell)>,
    /// The pair that was added to last: the next is often the same.
    last: usize,
    had: Totals,
    has: Totals,
}

/// Bytes by place, in one map.
#[derive(Debug, Default)]
struct Totals {
    places: HashMap<Place, u64, BuildHasherDefault<Mixer>>,
    /// Not yet in `places`: the next is often of the same place.
    pending: Option<(Place, u64)>,
}

impl Totals {
    #[inline]
    fn add(&mut self, place: Place, bytes: u64) {
        match &mut self.pending {
            Some((known, sum)) if *known == place => *sum += bytes,
            pending => {
                if let Some((known, sum)) = pending.replace((place, bytes)) {
                    *self.places.entry(known).or_default() += sum;
                }
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Place, u64)> {
        self.places.iter().map(|(place, bytes)| (*place, *bytes)).chain(self.pending)
    }
}

impl Cells {
    #[inline]
    pub fn exactly(&mut self, source: Place, target: Place, forced: bool, bytes: u64) {
        self.within(source, target, forced, (bytes, bytes));
    }

    #[inline]
    pub fn within(&mut self, source: Place, target: Place, forced: bool, (least, most): (u64, u64)) {
        let key = (source, target);
        let at = match self.cells.get(self.last) {
            Some((known, _)) if *known == key => self.last,
            _ => {
                let cells = &mut self.cells;
                let at = *self.places.entry(key).or_insert_with(|| {
                    cells.push((key, Cell::default()));
                    cells.len() - 1
                });
                self.last = at;
                at
            }
        };
        let cell = &mut self.cells[at].1;
        cell.least += least;
        cell.most += most;
        cell.forced += if forced { most } else { 0 };
    }

    /// So many bytes were there at the first mark.
    #[inline]
    pub fn add_had(&mut self, source: Place, bytes: u64) {
        self.had.add(source, bytes);
    }

    /// So many bytes are there at the second mark.
    #[inline]
    pub fn add_has(&mut self, target: Place, bytes: u64) {
        self.has.add(target, bytes);
    }

    /// What was where at the first mark; a place may come more than once.
    pub fn had(&self) -> impl Iterator<Item = (Place, u64)> {
        self.had.iter()
    }

    /// What is where at the second mark; a place may come more than once.
    pub fn has(&self) -> impl Iterator<Item = (Place, u64)> {
        self.has.iter()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Place, Place, Cell)> {
        self.cells.iter().map(|((source, target), cell)| (*source, *target, *cell))
    }
}

/// A hash of small numbers, none of which an adversary chooses.
#[derive(Debug, Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
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
