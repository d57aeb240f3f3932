//! Giving the ids of regions that are gone to new names.
//!
//! Done when a name finds no id. An id is used again when nothing names its region, none of its blocks lives, no thread
//! has it on its guard stack, and no page names it. In this order, because each step keeps what the one before found:
//!
//! 1. It loses its name, and gets the next generation: a copy of the id that was kept cannot be entered any more. Who
//!    enters writes its stack and then looks at the generation once more.
//! 2. A barrier on all processors (membarrier): whoever has found the old generation at its second look has its stack
//!    written where we can see it, and whoever looks later finds the new one.
//! 3. All stacks are read. An id that is on one keeps *leaving*: it is looked at again another time.
//! 4. Its counters are read a second time. With no block, no stack and no way in, nothing can be charged to it any
//!    more.
//! 5. The pages whose last blocks were its forget it.
//!
//! Threads that the allocator does not know have stacks that nobody finds: an id that such a thread enters is kept for
//! good.

use crate::hooks::hooks;
use crate::ids;
use crate::names::RESERVED;
use crate::reassign::Turn;
use crate::thread::MAX_REGIONS;

/// A set of indices.
struct Indices {
    words: [u64; MAX_REGIONS.div_ceil(64)],
    count: usize,
}

impl Indices {
    const fn new() -> Indices {
        Indices { words: [0; MAX_REGIONS.div_ceil(64)], count: 0 }
    }

    fn has(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    fn insert(&mut self, index: usize) {
        if !self.has(index)
            && let Some(word) = self.words.get_mut(index / 64)
        {
            *word |= 1 << (index % 64);
            self.count += 1;
        }
    }

    fn remove(&mut self, index: usize) {
        if self.has(index)
            && let Some(word) = self.words.get_mut(index / 64)
        {
            *word &= !(1 << (index % 64));
            self.count -= 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline(never)]
    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for index in 0..MAX_REGIONS {
            if self.has(index) && !keep(index) {
                self.remove(index);
            }
        }
    }
}

/// Frees the ids of all regions that are gone.
pub(crate) fn reclaim() {
    let Some(hooks) = hooks() else { return };
    let _turn = Turn::take();
    let mut gone = Indices::new();
    for index in RESERVED..ids::region_count() {
        if ids::may_leave(index) && !(hooks.is_live)(index) && ids::detach(index) {
            gone.insert(index);
        }
    }
    if gone.is_empty() || !(hooks.barrier)() || !(hooks.each_tag_in_use)(&mut |tag| gone.remove(usize::from(tag) - 1)) {
        return;
    }
    gone.retain(|index| !ids::is_kept(index) && !(hooks.is_live)(index));
    if gone.is_empty() {
        return;
    }
    (hooks.forget)(&|index| gone.has(index));
    (RESERVED..MAX_REGIONS).filter(|index| gone.has(*index)).for_each(ids::free);
}
