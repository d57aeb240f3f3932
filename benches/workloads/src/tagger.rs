//! How a workload says on whose behalf it allocates.

/// How many regions a workload may enter by number: they are `0..REGIONS`.
pub const REGIONS: usize = 4;

/// The engine's way to enter a region. Dispatch is static, so an engine without regions pays nothing for it.
pub trait Tagger: Copy + Send + Sync + 'static {
    /// Leaves the region when it is dropped.
    type Guard;
    /// A region made at run time.
    type Made: Send + Sync;

    /// Enters region `region` on this thread until the guard is dropped. `region` is less than [`REGIONS`].
    fn enter(self, region: usize) -> Self::Guard;

    /// Makes a further region, as a program does that has one per tenant, table or request; the same `number` gives it the
    /// same name. When it is dropped the program has done with it, though blocks of it may still live.
    fn make(self, number: usize) -> Self::Made;

    /// Enters a region that was made.
    fn enter_made(made: &Self::Made) -> Self::Guard;
}

/// The tagger of an engine that has no regions, or that runs without entering any.
#[derive(Clone, Copy, Debug)]
pub struct Untagged;

impl Tagger for Untagged {
    type Guard = ();
    type Made = ();

    #[inline(always)]
    fn enter(self, _region: usize) {}

    #[inline(always)]
    fn make(self, _number: usize) {}

    #[inline(always)]
    fn enter_made((): &()) {}
}
