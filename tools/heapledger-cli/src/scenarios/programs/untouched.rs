//! f: memory that was asked for and not used.

use std::hint::black_box;

use heapledger::{Figure, LineId, Region};

use crate::scenarios::scene::{
    MIB, PAGE, Report, Row, Scene, SceneError, offset_in_page, part, requested, resident, rise,
};
use crate::scenarios::{Run, Scenario};

static ZEROES: Region = Region::new("zeroes");

const GIB: usize = 1024 * MIB;

/// A GiB of zeroes: untouched, half read, a quarter written.
pub const F: Scenario = Scenario {
    name: "f",
    shows: "a GiB of zeroes is not in RSS until it is written",
    story: &[
        "vec![0; 1 GiB] is allocated. Nobody touches it.",
        "A byte of every page of its first half is read: the kernel maps its page of zeroes.",
        "A byte of every page of its first quarter is written: 256 MiB enter RSS.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 400 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("zeroes"),
        Row::UntouchedOf("zeroes"),
        Row::Line(LineId::LargePads),
        Row::Line(LineId::ZeroPages),
    ]);
    scene.take("warm")?;
    scene.take("start")?;
    let mut zeroes = ZEROES.scope(|| vec![0_u8; GIB]);
    let asked = scene.take("asked")?;
    scene.exactly("requested", GIB, requested(&asked, "zeroes"), "1 GiB");
    scene.exactly("in use", 0, resident(&asked, "zeroes"), "nothing is touched");
    scene.exactly("untouched", GIB, part(&asked, LineId::Untouched, "zeroes"), "all of it");

    black_box(zeroes[..GIB / 2].iter().step_by(PAGE).map(|&byte| u64::from(byte)).sum::<u64>());
    let read = scene.take("half read")?;
    scene.exactly("in use, half read", 0, resident(&read, "zeroes"), "reading gives no page of its own");
    scene.exactly(
        "rise of zero pages",
        GIB / 2,
        rise(&asked, &read, LineId::ZeroPages),
        "a page for each of 131072 reads",
    );

    zeroes[..GIB / 4].iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    black_box(&zeroes);
    let written = scene.take("1/4 written")?;
    let before = offset_in_page(&zeroes);
    scene.exactly(
        "in use, a quarter written",
        GIB / 4 - before,
        resident(&written, "zeroes"),
        &format!("a page for each of 65536 writes, less {before} B of the first that lie before the block"),
    );
    scene.exactly(
        "in use and untouched",
        GIB,
        resident(&written, "zeroes") + part(&written, LineId::Untouched, "zeroes"),
        "every byte of the block is one or the other",
    );
    scene.exactly(
        "fall of zero pages",
        GIB / 4,
        Figure::Exact(0) - rise(&read, &written, LineId::ZeroPages),
        "what is written is no page of zeroes any more",
    );
    drop(zeroes);
    Ok(scene.finish())
}
