//! h: memory that is not the heap's.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::sync::Barrier;

use heapledger::LineId;
use heapledger_scenery::Map;

use crate::scenarios::check::Measured;
use crate::scenarios::scene::{KIB, MIB, PAGE, Report, Row, Scene, SceneError, rise};
use crate::scenarios::{Run, Scenario};

const PRIVATE: usize = 64 * MIB;
const WRITTEN: usize = 16 * MIB;
const SHARED: usize = 32 * MIB;
const MEMORY: usize = 8 * MIB;
const ANONYMOUS: usize = 5 * MIB;
const STACKS: usize = 8;
const STACK: usize = MIB;

/// Of each stack: frames above the array, thread descriptor and thread-locals, the C library's guard of the stack.
const STACK_FRAMES: usize = 64 * KIB;

/// Maps and stacks.
pub const H: Scenario = Scenario {
    name: "h",
    shows: "files, shared memory, a mapping, stacks: each on its line",
    story: &[
        "A file of 64 MiB is mapped privately and read; of its pages 16 MiB are written.",
        "A file of 32 MiB is mapped for sharing and written, 8 MiB of shared memory too.",
        "5 MiB are mapped by the program itself: unattributed, under their address.",
        "8 threads use 1 MiB of stack each.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Line(LineId::FilePages),
        Row::Line(LineId::FileWritten),
        Row::Line(LineId::SharedFile),
        Row::Line(LineId::SharedMemory),
        Row::Line(LineId::ThreadStacks),
    ]);
    let refused = |doing| {
        move |source| SceneError::System { doing, source, remedy: "set TMPDIR to a folder with 96 MiB of space" }
    };
    let file = file(PRIVATE).map_err(refused("write a temporary file"))?;
    let other = self::file(SHARED).map_err(refused("write a temporary file"))?;
    let on_memory = is_on_memory(&file).map_err(refused("ask for the file system"))?;
    scene.take("warm")?;
    let start = scene.take("start")?;

    let mut private = Map::private(&file, PRIVATE).map_err(refused("map a file"))?;
    private.read(PAGE);
    let read = scene.take("read")?;
    private.write(WRITTEN, PAGE);
    let written = scene.take("written")?;
    let (file_line, shared_line, place) = if on_memory {
        (LineId::SharedMemory, LineId::SharedMemory, "its file system is in memory, so it is shared memory")
    } else {
        (LineId::FilePages, LineId::SharedFile, "its file system is on a disk")
    };
    scene.exactly("rise by reading a private file", PRIVATE, rise(&start, &read, file_line), place);
    scene.exactly(
        "rise of written file pages",
        WRITTEN,
        rise(&read, &written, LineId::FileWritten),
        "a written page of a private file is the process's own",
    );
    let left = PRIVATE - WRITTEN;
    scene.exactly(
        "rise of file pages, a part written",
        left,
        rise(&start, &written, file_line),
        "the others are the file's",
    );

    let mut shared = Map::shared(&other, SHARED).map_err(refused("map a file"))?;
    shared.write(SHARED, PAGE);
    let after_shared = scene.take("shared")?;
    scene.exactly("rise by a shared file", SHARED, rise(&written, &after_shared, shared_line), place);
    let mut memory = Map::shared_memory(MEMORY).map_err(refused("make shared memory"))?;
    memory.write(MEMORY, PAGE);
    let mut own = Map::anonymous(ANONYMOUS).map_err(refused("map memory"))?;
    own.write(ANONYMOUS, PAGE);
    let mapped = scene.take("mapped")?;
    scene.exactly("rise of shared memory", MEMORY, rise(&after_shared, &mapped, LineId::SharedMemory), "8 MiB");
    scene.exactly(
        "rise of unattributed",
        ANONYMOUS,
        rise(&after_shared, &mapped, LineId::Unattributed),
        "the program's own mapping is nobody else's",
    );
    let addresses = own.addresses();
    let around =
        mapped.unattributed().iter().find(|range| range.start <= addresses.start && addresses.end <= range.end);
    scene.exactly(
        "count of unattributed ranges around the mapping",
        1,
        Measured::Exact(i64::from(around.is_some())),
        "it is told by address",
    );

    let stacks = on_stacks(&mut scene)?;
    scene.within(
        "rise of thread stacks",
        STACKS * STACK,
        STACKS * (STACK + STACK_FRAMES),
        rise(&mapped, &stacks, LineId::ThreadStacks),
        "8 arrays of 1 MiB, and of each thread its frames and thread-locals",
    );
    drop((private, shared, memory, own));
    let ended = scene.take("ended")?;
    let files = [LineId::FileWritten, LineId::SharedMemory, LineId::SharedFile, LineId::Unattributed];
    let left = files.into_iter().map(|line| rise(&start, &ended, line)).sum::<heapledger::Figure>();
    scene.exactly("what stays of maps, when unmapped", 0, left, "an unmapped page is in no line");
    Ok(scene.finish())
}

/// Takes a statement while each of the threads has its array on its stack.
fn on_stacks(scene: &mut Scene) -> Result<heapledger::Statement, SceneError> {
    let step = Barrier::new(STACKS + 1);
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(STACKS);
        for _ in 0..STACKS {
            let thread = std::thread::Builder::new().stack_size(2 * STACK).spawn_scoped(scope, || {
                let mut array = [0_u8; STACK];
                black_box(&mut array).fill(1);
                step.wait();
                step.wait();
                black_box(&array);
            });
            threads.push(thread.map_err(|source| SceneError::System {
                doing: "start a thread",
                source,
                remedy: "raise the limit on threads",
            }));
        }
        let started: Result<Vec<_>, SceneError> = threads.into_iter().collect();
        started?;
        step.wait();
        let statement = scene.take("stacks");
        step.wait();
        statement
    })
}

/// A file without a name, all of it written.
fn file(bytes: usize) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let chunk = vec![0x5a; MIB];
    for _ in 0..bytes / MIB {
        file.write_all(&chunk)?;
    }
    Ok(file)
}

/// Whether its pages count as shared memory: those of tmpfs do, mapped privately too.
fn is_on_memory(file: &File) -> std::io::Result<bool> {
    const TMPFS: i64 = 0x0102_1994;
    // The type's width differs between platforms.
    Ok(i128::from(rustix::fs::fstatfs(file)?.f_type) == i128::from(TMPFS))
}
