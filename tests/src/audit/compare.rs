//! The ledger's owner map against the list, slot by slot and page by page.

use heapledger_alloc::{CLASS_BYTES, PageOwner, PageWord, block_owner, page_word};
use serde_json::{Value, json};

use super::table::{Page, SMALL_BYTES_MAX, Slot, Table, with_table};

const PAGE_BYTES: u64 = 4096;

/// So many of what is wrong are shown.
const SHOWN: usize = 8;

/// What was compared, and what of it was wrong.
#[derive(Debug, Default)]
struct Found {
    live: u64,
    slots: u64,
    pages: u64,
    wrong: u64,
    shown: [Option<(Slot, u64, PageWord)>; SHOWN],
}

impl Found {
    fn judge(&mut self, slot: &Slot, page: u64, word: PageWord, right: bool) {
        if !right {
            if let Some(free) = self.shown.get_mut(self.wrong as usize) {
                *free = Some((*slot, page, word));
            }
            self.wrong += 1;
        }
    }
}

/// Asks the owner map about everything in the list. Other threads must not use the heap meanwhile; this one does not
/// either, until the end.
pub fn owners() -> Value {
    let found = with_table(|table| {
        let mut found = Found::default();
        for slot in table.slots() {
            compare_slot(table, &slot, &mut found);
        }
        for page in table.pages() {
            compare_page(&page, &mut found);
        }
        found
    });
    let Found { live, slots, pages, wrong, shown } = found;
    let shown: Vec<String> = shown.iter().flatten().map(|wrong| format!("{wrong:x?}")).collect();
    json!({ "live": live, "slots": slots, "pages": pages, "wrong": wrong, "shown": shown })
}

fn compare_slot(table: &Table<&mut [u64]>, slot: &Slot, found: &mut Found) {
    if slot.live {
        let layout = std::alloc::Layout::from_size_align(slot.requested as usize, slot.align as usize);
        let layout = layout.expect("it was asked for");
        let owner = block_owner(slot.address as *const u8, layout);
        found.live += 1;
        found.judge(slot, slot.address, page_word(slot.address as usize), owner == slot.region);
    }
    // Of an earlier slab, or an earlier large block, nobody knows.
    let is_known = |page: u64| table.page(page / PAGE_BYTES).is_some_and(|page| page.since <= slot.since);
    let first = slot.address - slot.address % PAGE_BYTES;
    let last = (slot.address + slot.usable - 1) / PAGE_BYTES * PAGE_BYTES;
    if is_known(first) {
        let word = page_word(slot.address as usize);
        let owner = match CLASS_BYTES.iter().position(|bytes| u64::from(*bytes) == slot.usable) {
            Some(class) => word.slot_owner(class, (slot.address - first) as usize),
            None => word.start_owner(),
        };
        found.slots += 1;
        found.judge(slot, first, word, owner == Some(slot.region));
    }
    // Blocks of up to a page do not mark the page that they end in, if it is another. Live ones with pages of their own
    // are known by the first of them.
    if slot.usable <= PAGE_BYTES || slot.live && slot.usable > SMALL_BYTES_MAX {
        return;
    }
    for page in (first + PAGE_BYTES..=last).step_by(PAGE_BYTES as usize).filter(|page| is_known(*page)) {
        let word = page_word(page as usize);
        let ends_inside = slot.usable <= SMALL_BYTES_MAX && page + PAGE_BYTES > slot.address + slot.usable;
        let right = match word.tail_owner() {
            Some(tail) if ends_inside => tail == slot.region,
            _ => word.owner() == PageOwner::Region(slot.region),
        };
        found.judge(slot, page, word, right);
    }
}

/// A page that one region alone ever touched is that region's.
fn compare_page(page: &Page, found: &mut Found) {
    let Some(region) = page.only_region.filter(|_| !page.in_large_block) else { return };
    let word = page_word(page.address as usize);
    found.pages += 1;
    let none =
        Slot { address: page.address, usable: 0, requested: 0, align: 1, region, live: false, since: page.since };
    found.judge(&none, page.address, word, word.owner() == PageOwner::Region(region));
}
