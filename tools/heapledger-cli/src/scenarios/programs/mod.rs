//! The programs, one file each, with the arithmetic of their truth.

mod burst;
mod cache_churn;
mod calloc;
mod files;
mod glibc;
mod grow;
mod huge_pages;
mod model_server;
mod oversize;
mod pinned;
mod sizes;
mod thread_cache;
mod two_heaps;
mod untouched;

use super::Scenario;

/// In the order in which they are listed.
pub const SCENARIOS: [&Scenario; 15] = [
    &pinned::C1,
    &pinned::C2,
    &thread_cache::D,
    &untouched::F,
    &grow::G,
    &files::H,
    &oversize::I,
    &huge_pages::J,
    &glibc::K,
    &calloc::L,
    &model_server::MODEL_SERVER,
    &cache_churn::CACHE_CHURN,
    &two_heaps::TWO_HEAPS,
    &burst::BURST,
    &grow::RUST_GROW,
];
