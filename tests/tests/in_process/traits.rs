//! What may cross threads and unwinding, as the compiler sees it.

use std::panic::{RefUnwindSafe, UnwindSafe};

use heapledger::{Error, Live, Summary};
use heapledger_alloc::{Flow, Ledger, PageOwner, RegionTotals, TableUse};
use heapledger_core::{FallenNames, Guard, InRegion, NameError, OwnedRegion, Region, RegionId, RegionInfo};

const fn is_send_and_sync<T: Send + Sync>() {}
const fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
const fn is_copy<T: Copy>() {}

const _: () = {
    is_send_and_sync::<Region>();
    is_send_and_sync::<OwnedRegion>();
    is_send_and_sync::<RegionId>();
    is_send_and_sync::<Ledger>();
    is_send_and_sync::<NameError>();
    is_send_and_sync::<Summary>();
    is_send_and_sync::<Live>();
    is_send_and_sync::<Error>();
    is_unwind_safe::<Summary>();
    is_unwind_safe::<Live>();
    is_unwind_safe::<Region>();
    is_unwind_safe::<OwnedRegion>();
    is_unwind_safe::<RegionId>();
    is_unwind_safe::<Guard>();
    is_copy::<RegionId>();
    is_copy::<RegionInfo>();
    is_copy::<FallenNames>();
    is_copy::<Flow>();
    is_copy::<RegionTotals>();
    is_copy::<TableUse>();
    is_copy::<PageOwner>();
    // A future in a region may go where the future may go.
    is_send_and_sync::<InRegion<std::future::Ready<u8>>>();
};

/// Compiles only if `$type` does not implement `$trait`: otherwise two impls of `Ambiguous` apply and `_` has no
/// answer.
macro_rules! assert_not_impl {
    ($type:ty: $trait:ident) => {
        const _: fn() = || {
            trait Ambiguous<Marker> {
                fn some() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Marker;
            impl<T: ?Sized + $trait> Ambiguous<Marker> for T {}
            let _ = <$type as Ambiguous<_>>::some;
        };
    };
}

assert_not_impl!(Guard: Send);
assert_not_impl!(Guard: Sync);
assert_not_impl!(Guard: Clone);
assert_not_impl!(InRegion<std::future::Ready<*const u8>>: Send);

#[test]
fn a_region_id_fits_one_register_and_a_guard_fits_two() {
    assert_eq!(size_of::<RegionId>(), 8);
    assert!(size_of::<Guard>() <= 16);
}
