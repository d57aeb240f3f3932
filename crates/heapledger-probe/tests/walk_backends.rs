//! A process of its own: every backend by itself, with pages of zeroes in the heap.
#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
use heapledger_probe::Walker;
use heapledger_probe::read::Backend;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static A: Region = Region::new("a");

const MIB: usize = 1 << 20;

#[test]
fn the_kernels_count_lies_within_what_each_backend_says() {
    let blocks: Vec<Vec<u8>> = A.scope(|| (0..32).map(|_| vec![1; MIB]).collect());
    let zeroes = A.scope(|| vec![0_u8; 16 * MIB]);
    black_box(zeroes.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
    for backend in support::BACKENDS {
        let mut walker = Walker::new().expect("buffers");
        walker.force(backend);
        let _ = support::take(&mut walker);
        let taken = support::take(&mut walker);
        println!("{}", support::describe(&taken));
        support::assert_sums(&taken);
        let anon = taken.after.rss_anon_bytes.expect("status");
        let pages = taken.walk.pages;
        if backend == Backend::Mincore {
            assert!(pages.unknown_file_bytes > 0, "mincore does not count pages of files");
            assert!(pages.anon.at_most_bytes + pages.unknown_file_bytes >= anon);
            continue;
        }
        assert!(
            (pages.anon.at_least_bytes..=pages.anon.at_most_bytes).contains(&anon),
            "{}",
            support::describe(&taken)
        );
        assert_eq!(pages.anon.is_exact(), backend == Backend::Scan);
        let lines = support::lines(&taken.walk);
        assert_eq!(
            lines.at_least_bytes,
            pages.anon.at_least_bytes + pages.file.at_least_bytes + pages.shmem.at_least_bytes
        );
        assert_eq!(
            lines.at_most_bytes,
            pages.anon.at_most_bytes + pages.file.at_most_bytes + pages.shmem.at_most_bytes
        );
    }
    drop((blocks, zeroes));
}
