//! How a workload says on whose behalf it allocates.

/// How many regions a workload may enter by number: they are `0..REGIONS`.
pub const REGIONS: usize = 4;

/// The engine's way to enter a region. Dispatch is static, so an engine without regions pays nothing for it.
pub trait Tagger: Copy + Send + Sync + 'static {
    /// Leaves the region when it is dropped.
    type Guard;
    /// Regions made at run time.
    type Regions: Send + Sync;

    /// Enters region `region` on this thread until the guard is dropped. `region` is less than [`REGIONS`].
    fn enter(self, region: usize) -> Self::Guard;

    /// Makes `count` further regions, as a program does that has one per tenant, table or request.
    fn make(self, count: usize) -> Self::Regions;

    /// Enters the `number`th of `regions`. `number` is less than the count that made them.
    fn enter_made(regions: &Self::Regions, number: usize) -> Self::Guard;
}

/// The tagger of an engine that has no regions, or that runs without entering any.
#[derive(Clone, Copy, Debug)]
pub struct Untagged;

impl Tagger for Untagged {
    type Guard = ();
    type Regions = ();

    #[inline(always)]
    fn enter(self, _region: usize) {}

    fn make(self, _count: usize) {}

    #[inline(always)]
    fn enter_made((): &(), _number: usize) {}
}
