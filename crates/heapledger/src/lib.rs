//! Facade.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod live;
mod quick;
mod readings;

pub use error::Error;
pub use heapledger_alloc::Ledger;
pub use heapledger_core::{
    Guard, InRegion, InRegionExt, NameError, OwnedRegion, Region, RegionId, current, is_installed, reset_thread,
};
#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
pub use heapledger_statement::json;
pub use heapledger_statement::{Doubt, Figure, LineId, RegionFigures, Summary};
pub use live::{Live, RegionLive, live};
pub use quick::quick;
