//! No walk: this platform does not tell which pages are resident and why.

use std::convert::Infallible;

use crate::ReadError;
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

    /// What the last walk found.
    pub fn result(&self) -> Walk {
        match self.0 {}
    }
}
