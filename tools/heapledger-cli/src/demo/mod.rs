//! `heapledger demo`: what happens to memory while a model server starts.
//!
//! The stages are those of a real server: a model file is read, a tokenizer built, the weights handed to a device and
//! freed here, a KV cache allocated, requests served. What each region must hold after a stage is known from
//! arithmetic, and the demo fails if the ledger says anything else.

mod cleanup;
mod cure;
pub mod device;
pub mod error;
pub mod kv_cache;
pub mod model_file;
mod progress;
pub mod random;
mod requests;
pub mod room;
mod stages;
mod story;
mod tokenizer;

use std::path::{Path, PathBuf};
use std::time::Instant;

use heapledger::Region;

use crate::args::DemoArgs;
use cleanup::Cleanup;
use device::Device;
use device::link::STAGING_BYTES;
use error::DemoError;
use kv_cache::{BLOCK_BYTES, KvCache};
use model_file::read::ModelFile;
use model_file::{shape, write};
use requests::{Server, Sessions};
use stages::{Stages, Truth};
use tokenizer::{Tokenizer, WORDS};

/// The tensors, each in one buffer, and nothing else.
static WEIGHTS: Region = Region::new("weights");
/// Headers and buffers for the model file: gone when the file is closed.
static MODEL_FILE: Region = Region::new("model_file");

/// Runs all stages; `started` is when the program started.
///
/// # Errors
/// The first thing that goes wrong. Whatever it is, no file and no process is left behind.
pub fn run(args: &DemoArgs, started: Instant) -> Result<(), DemoError> {
    let mut stages = Stages::new(args.json, started);
    stages.report("start", &[])?;
    let cleanup = Cleanup::start().map_err(DemoError::Signals)?;
    let result = run_stages(args, &cleanup, &mut stages);
    stages.progress.clear();
    // Before any message: when a signal came, it is the reason, and this does not return.
    cleanup.finish();
    result
}

fn run_stages(args: &DemoArgs, cleanup: &Cleanup, stages: &mut Stages) -> Result<(), DemoError> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => write_model(args.size, cleanup, stages)?,
    };
    let weights = load_model(&path, cleanup, stages)?;
    let weights_bytes = weights.iter().map(|tensor| tensor.len() as u64).sum();
    let weights_truth = || Truth::exactly("weights", weights_bytes, "the tensors");

    let tokenizer = Tokenizer::build(|done| stages.progress.count("tokenizer", done as u64, WORDS as u64))
        .ok_or(DemoError::Memory { what: "a tokenizer", bytes: Tokenizer::TABLE_BYTES })?;
    let tokenizer_bytes = tokenizer.least_live_bytes();
    let tokenizer_truth = || Truth::at_least("tokenizer", tokenizer_bytes, "words, tables");
    stages.report("tokenizer", &[weights_truth(), tokenizer_truth()])?;

    let device = to_device(&weights, weights_bytes, cleanup, stages)?;
    let staging_truth = || Truth::exactly("staging", STAGING_BYTES as u64, "1 buffer");
    stages.report("to_device", &[weights_truth(), staging_truth()])?;

    let freed = [Truth::exactly("weights", 0, "dropped"), staging_truth()];
    stages.release("free_weights", weights_bytes, || drop(weights), &freed)?;
    device.check_alive("free_weights")?;

    let blocks = KvCache::blocks_for(weights_bytes);
    let mut cache = KvCache::allocate(blocks, |done| stages.progress.count("kv_cache", done as u64, blocks as u64))
        .ok_or(DemoError::Memory { what: "a KV cache", bytes: blocks * BLOCK_BYTES })?;
    let reason = format!("{} blocks", cache.block_count());
    let cache_bytes = cache.live_bytes();
    let cache_truth = || Truth::exactly("kv_cache", cache_bytes, reason.as_str());
    device.check_alive("kv_cache")?;
    stages.report("kv_cache", &[cache_truth()])?;

    let sessions = serve(args.requests, &tokenizer, &mut cache, &device, stages)?;
    let requests_truth = || Truth::exactly("request", 0, format!("{} ended", args.requests));
    let sessions_truth = || {
        let reason = format!("{} sessions", sessions.count());
        Truth::exactly("sessions", sessions.live_bytes(), reason)
    };
    stages.report("serve", &[requests_truth(), sessions_truth(), cache_truth(), tokenizer_truth()])?;

    device.finish()?;
    let staging_truth = Truth::exactly("staging", 0, "device ended");
    let weights_truth = Truth::exactly("weights", 0, "dropped");
    stages.report("done", &[weights_truth, staging_truth, cache_truth(), sessions_truth()])?;
    if args.wait {
        stages.wait()?;
    }
    if args.cure { stages.cure() } else { Ok(()) }
}

/// Writes a model to a temporary folder; returns its path.
fn write_model(size_bytes: u64, cleanup: &Cleanup, stages: &mut Stages) -> Result<PathBuf, DemoError> {
    let folder = Cleanup::parent_folder();
    room::check_disk(&folder, size_bytes)?;
    room::check_memory(memory_needed(size_bytes))?;
    let (mut file, path) = cleanup.create_file("model.safetensors").map_err(|source| DemoError::Folder {
        doing: "make a file",
        folder,
        source,
    })?;
    let progress = &mut stages.progress;
    MODEL_FILE.scope(|| write::write_model(&mut file, &path, &shape::transformer(size_bytes), progress))?;
    drop(file);
    stages.report("write_model", &[Truth::exactly("model_file", 0, "file closed")])?;
    Ok(path)
}

/// Loads every tensor into a buffer of its own in region `weights`, and removes the file if it is the demo's own.
fn load_model(path: &Path, cleanup: &Cleanup, stages: &mut Stages) -> Result<Vec<Vec<u8>>, DemoError> {
    let model = MODEL_FILE.scope(|| ModelFile::open(path))?;
    let (data_bytes, tensors) = (model.data_bytes(), model.tensor_count());
    room::check_memory(memory_needed(data_bytes))?;
    let reserve = |bytes| {
        let mut buffer = Vec::new();
        WEIGHTS.scope(|| buffer.try_reserve_exact(bytes)).ok()?;
        Some(buffer)
    };
    let weights = model.load(reserve, &mut stages.progress)?;
    cleanup.remove_folder().map_err(|source| DemoError::Folder {
        doing: "remove the files",
        folder: Cleanup::parent_folder(),
        source,
    })?;
    let reason = format!("{tensors} tensors");
    let file_truth = Truth::exactly("model_file", 0, "file closed");
    stages.report("load_model", &[Truth::exactly("weights", data_bytes, reason), file_truth])?;
    Ok(weights)
}

/// The weights twice, and a quarter of them for the KV cache.
fn memory_needed(weights_bytes: u64) -> u64 {
    // Sizes are at most 2⁶² bytes, so this cannot overflow by much; beyond it nothing fits anyway.
    weights_bytes.checked_mul(2).and_then(|both| both.checked_add(weights_bytes / 4)).unwrap_or(u64::MAX)
}

/// Starts the device, sends it every tensor and compares checksums.
fn to_device<'cleanup>(
    weights: &[Vec<u8>],
    weights_bytes: u64,
    cleanup: &'cleanup Cleanup,
    stages: &mut Stages,
) -> Result<Device<'cleanup>, DemoError> {
    let mut device = Device::start(cleanup)?;
    let mut sent_bytes = 0;
    for tensor in weights {
        device.send(tensor, |bytes| {
            sent_bytes += bytes as u64;
            stages.progress.bytes("to_device", sent_bytes, weights_bytes);
        })?;
    }
    let kept = device.verify()?;
    stages.note(format!("device {}: {kept}, as sent", device.pid()));
    Ok(device)
}

/// Serves all requests.
fn serve(
    requests: u32,
    tokenizer: &Tokenizer,
    cache: &mut KvCache,
    device: &Device<'_>,
    stages: &mut Stages,
) -> Result<Sessions, DemoError> {
    let mut server = Server::new(tokenizer, cache, requests);
    for number in 0..requests {
        server.take(number);
        device.check_alive("serve")?;
        stages.progress.count("serve", u64::from(number), u64::from(requests));
    }
    let (sessions, tokens) = server.finish();
    device.check_alive("serve")?;
    stages.note(format!("served {requests} requests, {tokens} tokens"));
    Ok(sessions)
}
