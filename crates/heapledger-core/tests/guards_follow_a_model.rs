//! Random histories of guards against a plain list of those that are alive. No allocator is needed for that: the test
//! says that one is installed, so that regions are told apart.

use heapledger_core::{Guard, OwnedRegion, RegionId, current, reset_thread, thread::mark_installed};

/// Guards that may be dropped in any order; deeper ones from the top.
const ANY_ORDER: usize = 64;
const REGIONS: usize = 40;
const HISTORIES: u64 = 300;
const STEPS: usize = 400;

/// A splitmix64 sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 33) as usize % bound
    }
}

/// The guards that are alive, lowest first, and where each lies in the thread's stack.
#[derive(Default)]
struct Model(Vec<(Option<Guard>, RegionId, usize)>);

impl Model {
    fn in_force(&self) -> RegionId {
        self.0.last().map_or(RegionId::UNTAGGED, |entry| entry.1)
    }

    fn enter(&mut self, region: RegionId) {
        let position = self.0.last().map_or(0, |entry| entry.2 + 1);
        self.0.push((Some(region.enter()), region, position));
    }

    fn leave(&mut self, at: usize) {
        let at = if self.0[at].2 >= ANY_ORDER { self.0.len() - 1 } else { at };
        if self.0[at].0.is_some() {
            drop(self.0.remove(at));
        }
    }
}

fn history(random: &mut Random, regions: &[OwnedRegion], deepest: usize) {
    let mut model = Model::default();
    let mut inert = Vec::new();
    for _ in 0..STEPS {
        match random.below(100) {
            0 => {
                reset_thread();
                inert.extend(model.0.drain(..).filter_map(|entry| entry.0));
            }
            1 => {
                // Leaked: it stays in force until the thread is reset.
                if let Some(guard) = model.0.last_mut().and_then(|entry| entry.0.take()) {
                    std::mem::forget(guard);
                }
            }
            2 => drop(inert.pop()),
            3..=60 if model.0.len() < deepest => model.enter(*regions[random.below(regions.len())]),
            _ if !model.0.is_empty() => {
                let among = model.0.len();
                model.leave(if random.below(2) == 0 { among - 1 } else { random.below(among) });
            }
            _ => {}
        }
        assert_eq!(current(), model.in_force(), "after {} guards", model.0.len());
    }
    reset_thread();
    assert_eq!(current(), RegionId::UNTAGGED);
    drop(model);
    drop(inert);
    assert_eq!(current(), RegionId::UNTAGGED, "guards from before the reset do nothing");
}

#[test]
fn the_newest_guard_alive_is_in_force_whatever_came_and_went() {
    mark_installed();
    let regions: Vec<OwnedRegion> = (0..REGIONS).map(|number| OwnedRegion::new(format!("r{number}"))).collect();
    for seed in 0..HISTORIES {
        let deepest = if seed % 2 == 0 { 12 } else { 150 };
        history(&mut Random(seed), &regions, deepest);
    }
}
