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
use crate::indices::{Indices, bits, only};
use crate::reassign::Turn;

/// Frees the ids of all regions that are gone.
pub(crate) fn reclaim() {
    let Some(hooks) = hooks() else { return };
    let _turn = Turn::take();
    let (mut gone, mut any) = (Indices::new(), 0);
    for (first, group) in gone.groups_mut().take_while(|(first, _)| *first < ids::region_count()) {
        let may_leave = only(u64::MAX, |bit| ids::may_leave(first + bit));
        *group = only(may_leave & !(hooks.live)(first, may_leave), |bit| ids::detach(first + bit));
        any |= *group;
    }
    if any == 0 || !(hooks.barrier)() || !(hooks.each_tag_in_use)(&mut |tag| gone.remove(usize::from(tag) - 1)) {
        return;
    }
    any = 0;
    for (first, group) in gone.groups_mut() {
        let free = only(*group, |bit| !ids::is_kept(first + bit));
        *group = free & !(hooks.live)(first, free);
        any |= *group;
    }
    if any == 0 {
        return;
    }
    (hooks.forget)(&gone);
    for (first, group) in gone.groups() {
        ids::free(bits(group).map(|bit| first + bit));
    }
}
