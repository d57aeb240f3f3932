//! No walk: this platform does not tell which pages are resident and why.

use std::convert::Infallible;

use crate::ReadError;
use crate::attribute::pagemap::Pieces;
use crate::attribute::{Owners, Walk};
use crate::read::Backend;

/// Walks the pages of this process; there is none on this platform.
#[derive(Debug)]
pub struct Walker(Infallible);

impl Walker {
    /// # Errors
    ///
    /// [`ReadError::NotLinux`], always.
    pub fn new() -> Result<Self, ReadError> {
        Err(ReadError::NotLinux)
    }

    /// Takes this backend and no other.
    pub fn force(&mut self, _: Backend) {
        match self.0 {}
    }

    /// What can be done before the first reading.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub fn prepare(&mut self, _: usize, _: usize) -> Result<(), ReadError> {
        match self.0 {}
    }

    /// Reads every page.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub fn walk(&mut self, _: &impl Owners, _: &[(usize, usize)]) -> Result<(), ReadError> {
        match self.0 {}
    }

    /// Makes room for a map.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub fn prepare_map(&mut self, _: u64) -> Result<(), ReadError> {
        match self.0 {}
    }

    /// Whether the walks that follow write a map.
    pub fn is_mapping(&self) -> bool {
        match self.0 {}
    }

    /// The walks that follow write no map.
    pub fn forget_map(&mut self) {
        match self.0 {}
    }

    /// The map that the last walk wrote.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub fn take_map(&mut self) -> Result<PageMap, ReadError> {
        match self.0 {}
    }

    /// What the last walk found.
    pub fn result(&self) -> Walk {
        match self.0 {}
    }
}

/// A map of the heap's resident pages; there is none on this platform.
#[derive(Debug)]
pub struct PageMap(Infallible);

impl PageMap {
    /// Its pieces.
    pub fn pieces(&self) -> Pieces<'_> {
        match self.0 {}
    }

    /// Bytes that the map has.
    pub fn bytes(&self) -> usize {
        match self.0 {}
    }
}
