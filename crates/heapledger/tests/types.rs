//! What the types promise to the compiler: what may cross threads and what may be caught.

use std::error::Error as StdError;
use std::panic::{RefUnwindSafe, UnwindSafe};

use heapledger::{Doubt, Error, Figure, Live, NameError, OwnedRegion, Region, RegionId, Statement, Summary};

fn crosses_threads<T: Send + Sync + 'static>() {}
fn survives_unwinding<T: UnwindSafe + RefUnwindSafe>() {}
fn is_an_error<T: StdError + Send + Sync + 'static>() {}

#[test]
fn regions_and_reports_cross_threads() {
    crosses_threads::<Region>();
    crosses_threads::<OwnedRegion>();
    crosses_threads::<RegionId>();
    crosses_threads::<Summary>();
    crosses_threads::<Statement>();
    crosses_threads::<Live>();
    crosses_threads::<Figure>();
    crosses_threads::<Doubt>();
}

#[test]
fn reports_may_be_caught() {
    survives_unwinding::<Summary>();
    survives_unwinding::<Statement>();
    survives_unwinding::<Live>();
    survives_unwinding::<Error>();
}

#[test]
fn errors_are_errors() {
    is_an_error::<Error>();
    is_an_error::<NameError>();
    #[cfg(feature = "serde")]
    is_an_error::<heapledger::json::JsonError>();
}
