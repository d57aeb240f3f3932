//! A region that follows a future across `await` and across threads.

use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::names::Hold;
use crate::region::RegionId;

/// Runs the future's polls, and its drop, in a region; made by [`InRegionExt::in_region`].
///
/// The region is in force only while the future is being polled or dropped, on whatever thread that happens, and is
/// left when a poll panics. Tasks that the future spawns start untagged. The region does not retire before the future
/// is dropped.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct InRegion<F> {
    region: RegionId,
    future: ManuallyDrop<F>,
    /// The region does not retire while the future lives.
    _hold: Hold,
}

impl<F: Future> Future for InRegion<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _in_region = self.region.enter();
        // SAFETY: `future` is pinned with its struct: it is never moved out, and `drop` below drops it in place.
        let future = unsafe { self.map_unchecked_mut(|this| &mut *this.future) };
        future.poll(cx)
    }
}

impl<F> Drop for InRegion<F> {
    fn drop(&mut self) {
        let _in_region = self.region.enter();
        // SAFETY: `future` is dropped once, here, in place, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.future) }
    }
}

/// Adds [`in_region`](InRegionExt::in_region) to every future.
pub trait InRegionExt: Future + Sized {
    /// Charges what the future allocates while it is polled or dropped to `region`.
    ///
    /// ```
    /// use heapledger_core::{InRegionExt, Region};
    /// static REQUESTS: Region = Region::new("requests");
    ///
    /// async fn answer() -> String { "42".repeat(10) }
    /// let task = answer().in_region(&REQUESTS);
    /// # drop(task);
    /// ```
    fn in_region(self, region: &RegionId) -> InRegion<Self> {
        InRegion { region: *region, future: ManuallyDrop::new(self), _hold: Hold::of(*region) }
    }
}

impl<F: Future> InRegionExt for F {}
