//! The programs, one file each, with the arithmetic of their truth.

mod borrowed;
mod burst;
mod cache_churn;
mod calloc;
mod cases;
mod decay;
mod files;
mod glibc;
mod grow;
mod huge_pages;
mod leak;
mod model_server;
mod oversize;
mod pinned;
mod reuse;
mod sizes;
mod small_reuse;
mod thp;
mod thread_cache;
mod two_heaps;
mod untouched;

use super::Scenario;

/// In the order in which they are listed.
pub const SCENARIOS: [&Scenario; 28] = [
    &reuse::A1,
    &reuse::A2,
    &reuse::A3,
    &reuse::A4,
    &reuse::A5,
    &small_reuse::B_,
    &pinned::C1,
    &pinned::C2,
    &thread_cache::D,
    &decay::E,
    &untouched::F,
    &grow::G,
    &files::H,
    &oversize::I,
    &huge_pages::J,
    &glibc::K,
    &calloc::L,
    &small_reuse::R1,
    &cases::R2,
    &cases::R3,
    &cases::R4,
    &model_server::MODEL_SERVER,
    &cache_churn::CACHE_CHURN,
    &leak::LEAK,
    &borrowed::BORROWED_AND_KEPT,
    &two_heaps::TWO_HEAPS,
    &burst::BURST,
    &grow::RUST_GROW,
];
