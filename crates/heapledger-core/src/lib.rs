//! Regions, scopes and the per-thread record of heapledger.
//!
//! A *region* is a name to which heap blocks are charged: `weights`, `tenant/7`, `index`. A library that wants its
//! allocations told apart depends on this crate alone: it has no C code and no dependency, and until a program
//! installs `heapledger::Ledger` as its global allocator a scope does nothing but move a few words of its thread.
//!
//! ```
//! use heapledger_core::{OwnedRegion, Region};
//!
//! static INDEX: Region = Region::new("index");
//!
//! let postings = INDEX.scope(|| vec![0_u32; 1024]);            // charged to `index`, wherever it is freed
//! let tenant = OwnedRegion::new(format!("tenant/{}", 7));      // named at run time, retired when dropped
//! let _in_tenant = tenant.enter();                             // until the guard is dropped
//! # drop(postings);
//! ```
//!
//! # What it is not
//! It counts nothing by itself: `heapledger-alloc` does, and reads here which region the thread is in. New threads and
//! tasks start in `~untagged`; carry a region over with [`Region::enter`](RegionId::enter) or
//! [`in_region`](InRegionExt::in_region).
//!
//! # Files
//! `thread.rs` the record that the allocator reads, `guard.rs` scopes, `future.rs` scopes across `await`,
//! `names.rs` the table of names, `claims.rs` what a name is charged to, `ids.rs` which index is whose, `indices.rs`
//! sets of them, `reuse.rs` giving ids to new names, `reassign.rs` giving all blocks to another region, `adopt.rs` and
//! `adoptable.rs` giving those of one value, `region.rs` the public kinds of region, `hooks.rs` what the allocator does
//! for us, `once.rs` references that are set once.

mod adopt;
mod adoptable;
mod claims;
mod future;
mod guard;
#[doc(hidden)]
pub mod hooks;
mod ids;
mod indices;
mod name_error;
mod names;
mod once;
mod pool;
mod reassign;
mod region;
mod reuse;
#[doc(hidden)]
pub mod thread;

pub use adopt::{Adopt, AdoptError, Adopted, Adopter};
pub use claims::{FallenNames, fallen_names};
pub use future::{InRegion, InRegionExt};
pub use guard::{Guard, current, reset_thread};
pub use ids::{Isolation, RegionInfo, any_region_was_reassigned, region_count, region_info, region_name, region_root};
pub use name_error::{NAME_MAX_BYTES, NameError};
pub use reassign::ReassignError;
pub use region::{OwnedRegion, Region, RegionId};
pub use thread::{MAX_REGIONS, is_installed};
