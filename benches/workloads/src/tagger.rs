//! How a workload says on whose behalf it allocates.

/// How many regions a workload may enter: the ids are `0..REGIONS`.
pub const REGIONS: usize = 4;

/// The engine's way to enter a region. Dispatch is static, so an engine without regions pays nothing for it.
pub trait Tagger: Copy + Send + Sync + 'static {
    /// Leaves the region when it is dropped.
    type Guard;

    /// Enters region `region` on this thread until the guard is dropped. `region` is less than [`REGIONS`].
    fn enter(self, region: usize) -> Self::Guard;
}

/// The tagger of an engine that has no regions, or that runs without entering any.
#[derive(Clone, Copy, Debug)]
pub struct Untagged;

impl Tagger for Untagged {
    type Guard = ();

    #[inline(always)]
    fn enter(self, _region: usize) {}
}
