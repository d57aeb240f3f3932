//! Runs of pages, looked at from low to high addresses.

use super::{PageKind, Run};
use crate::read::Residency;

/// Runs by address, those that lie behind left out.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    rest: &'a [Run],
}

impl<'a> Runs<'a> {
    pub(crate) fn new(runs: &'a [Run]) -> Self {
        Self { rest: runs }
    }

    /// The runs from the first that reaches beyond `start`; never asked for a lower address afterwards.
    #[inline]
    fn from(&mut self, start: usize) -> &'a [Run] {
        while let Some((first, behind)) = self.rest.split_first()
            && first.end <= start
        {
            self.rest = behind;
        }
        self.rest
    }

    /// The runs that touch `start..end`.
    #[inline]
    pub(crate) fn within(&mut self, start: usize, end: usize) -> impl Iterator<Item = &'a Run> + use<'a> {
        self.from(start).iter().take_while(move |run| run.start < end)
    }

    /// Resident bytes in `start..end`.
    #[inline]
    pub(crate) fn resident(&mut self, start: usize, end: usize) -> Residency {
        self.within(start, end).map(|run| run.resident_in(start, end)).sum()
    }

    /// The kind of all pages in `start..end` if it is one for all, told by one run or by none, and as far as what
    /// address it is the same.
    #[inline]
    pub(crate) fn uniform(&mut self, start: usize, end: usize) -> Option<(Option<PageKind>, usize)> {
        match self.from(start).first() {
            Some(run) if run.start <= start && end <= run.end => Some((Some(run.kind), run.end)),
            Some(run) if run.start < end => None,
            Some(run) => Some((None, run.start)),
            None => Some((None, usize::MAX)),
        }
    }
}

/// So many bytes on pages of this kind.
#[inline]
pub(crate) fn resident_as(kind: Option<PageKind>, bytes: u64) -> Residency {
    match kind {
        Some(PageKind::Anon | PageKind::File) => Residency::exactly(bytes),
        Some(PageKind::AnonOrZero) => Residency { at_least_bytes: 0, at_most_bytes: bytes },
        Some(PageKind::Zero | PageKind::Swapped) | None => Residency::default(),
    }
}
