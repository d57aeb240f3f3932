//! What a program can do about its memory: give free pages back, and change jemalloc's settings.

mod configure;
pub(crate) mod purge;

pub use configure::{Change, Configured, configure};
pub use purge::{Left, Purge, purge};
