//! Where no page can be looked at.

use heapledger_probe::ReadError;
use heapledger_statement::{Reading, WalkReading};

use crate::readings::reading;

/// Nothing.
#[derive(Debug)]
pub(crate) struct Pages;

impl Pages {
    pub(crate) fn prepare(_: usize, _: usize) -> Self {
        Self
    }

    pub(crate) fn walk(&mut self, _: &[(usize, usize)]) {}

    pub(crate) fn reading(&self) -> Reading<WalkReading> {
        reading(Err(ReadError::NotLinux))
    }
}
