//! Where no page can be looked at.

use heapledger_probe::{PageMap, ReadError};
use heapledger_statement::{Reading, WalkReading};

use crate::readings::reading;

/// Nothing.
#[derive(Debug)]
pub(crate) struct Pages;

impl Pages {
    pub(crate) fn prepare(_: usize, _: usize, _: Option<u64>) -> Self {
        Self
    }

    pub(crate) fn is_mapping(&self) -> bool {
        false
    }

    pub(crate) fn walk(&mut self, _: &[(usize, usize)]) {}

    pub(crate) fn take_map(&mut self) -> Reading<PageMap> {
        reading(Err(ReadError::NotLinux))
    }

    pub(crate) fn found(&self) -> Option<[(u64, u64); 3]> {
        None
    }

    pub(crate) fn reading(&self) -> Reading<WalkReading> {
        reading(Err(ReadError::NotLinux))
    }
}
