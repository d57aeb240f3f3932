//! What a program finds that uses regions and asks for figures, whatever its allocator is.

use heapledger_core::{InRegionExt, OwnedRegion, Region, current, is_installed, region_count, reset_thread};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;

static A: Region = Region::new("a");

pub(super) fn run(_: &Options) -> Value {
    let result = A.scope(|| Block::new(100).layout().size());
    let in_scope = A.scope(current);
    let owned = OwnedRegion::new("tenant/1");
    let in_owned = owned.scope(current);
    let refused = OwnedRegion::try_new("two\nlines").err().map(|error| error.to_string());
    let mut task = Box::pin(async { current() }.in_region(&A));
    let polled = task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let std::task::Poll::Ready(in_task) = polled else { panic!("the future waits for nothing") };
    std::mem::forget(A.enter());
    reset_thread();
    let live = heapledger::live();
    let quick = heapledger::quick();
    json!({
        "installed": is_installed(), "result": result, "in_scope": in_scope.name(), "in_owned": in_owned.name(),
        "in_task": in_task.name(), "after": current().name(), "refused": refused, "regions": region_count(),
        "live_installed": live.installed, "live_regions": live.regions.len(),
        "quick_is": match quick { Ok(_) => "a summary".to_owned(), Err(error) => error.to_string() },
    })
}
