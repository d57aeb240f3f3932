//! Who has the allocated slots of one slab.

use crate::read::Residency;

/// Owners of one slab among whom its free slots are charged; a slab seldom has more. The slots of the others are theirs
/// too.
const OWNERS_MAX: usize = 64;
const HINTS: usize = 64;

/// Allocated slots of one slab, by row of their owner.
///
/// Kept from slab to slab, so that it need not be cleared.
#[derive(Debug)]
pub(super) struct Tally {
    owners: [Tallied; OWNERS_MAX],
    count: usize,
    /// Where the entry of a row perhaps is, by the low bits of the row's index.
    hints: [u8; HINTS],
}

#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Tallied {
    pub(super) row: usize,
    pub(super) slots: u64,
    pub(super) resident: Residency,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { owners: [Tallied::default(); OWNERS_MAX], count: 0, hints: [0; HINTS] }
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    pub(super) fn owners(&self) -> &[Tallied] {
        self.owners.get(..self.count).unwrap_or_default()
    }

    /// The entry of a row; `None` if there is no room for one more.
    #[inline]
    pub(super) fn of(&mut self, row: usize) -> Option<&mut Tallied> {
        let known = self.owners.get(..self.count).unwrap_or_default();
        let hint = &mut self.hints[row % HINTS];
        let found = match known.get(usize::from(*hint)) {
            Some(hinted) if hinted.row == row => Some(usize::from(*hint)),
            _ => known.iter().position(|tallied| tallied.row == row),
        };
        let at = match found {
            Some(at) => at,
            None if self.count < OWNERS_MAX => {
                self.count += 1;
                let at = self.count - 1;
                self.owners[at] = Tallied { row, ..Tallied::default() };
                at
            }
            None => return None,
        };
        // There are fewer than 256 entries.
        *hint = at as u8;
        self.owners.get_mut(at)
    }
}
