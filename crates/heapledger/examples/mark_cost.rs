//! What a mark costs: `cargo run --release -p heapledger --example mark_cost [MiB] [KiB of a block] [in how many
//! regions]`.
//!
//! Fills memory with blocks, frees every other one, and prints the time of statements and marks, the size of a page
//! map, and how long the flow between two of them takes: two of the same heap, and two between which half was freed.

use std::time::Instant;

use heapledger::{OwnedRegion, mark, statement};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> Result<(), heapledger::Error> {
    let mut arguments = std::env::args().skip(1).filter_map(|word| word.parse::<f64>().ok());
    let mib = arguments.next().unwrap_or(512.0);
    let block_bytes = (arguments.next().unwrap_or(1.0) * 1024.0) as usize;
    let regions: Vec<OwnedRegion> =
        (0..arguments.next().unwrap_or(1.0) as usize).map(|number| OwnedRegion::new(format!("r/{number}"))).collect();
    let count = (mib * 1048576.0) as usize / block_bytes;
    let mut blocks: Vec<Option<Vec<u8>>> = Vec::with_capacity(count);
    let mut random = 1_u64;
    for number in 0..count {
        regions[number % regions.len()].scope(|| blocks.push(Some(vec![1; block_bytes])));
    }
    statement()?;
    let began = Instant::now();
    let stated = statement()?;
    println!("statement {:?}, RSS {}", began.elapsed(), stated.figure(heapledger::LineId::Rss));
    let mut earlier = None;
    for stage in ["full", "half freed at random"] {
        if stage != "full" {
            for block in &mut blocks {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                if random >> 63 == 0 {
                    *block = None;
                }
            }
        }
        let began = Instant::now();
        let first = mark()?;
        let marked = began.elapsed();
        let second = mark()?;
        let began = Instant::now();
        let since = second.since(&first)?;
        let map_bytes = second.map_bytes().unwrap_or_default();
        println!("{stage}: mark {marked:?}, map {map_bytes} bytes, since {:?}", began.elapsed());
        assert!(since.flow.is_ok());
        if let Some(full) = &earlier {
            let began = Instant::now();
            let since = second.since(full)?;
            println!("{stage}: since full {:?}", began.elapsed());
            assert!(since.flow.is_ok());
        }
        earlier = Some(second);
    }
    Ok(())
}
