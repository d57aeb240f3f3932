//! Writes a model file of made-up weights, the same bytes on every run, through one small buffer.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use thiserror::Error;

use super::shape::TensorShape;
use crate::demo::progress::Progress;
use crate::demo::random::Random;

/// Bytes made and written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Any fixed number; with it the file's bytes are fixed.
const SEED: u64 = 0x6865_6170_6c65_6467;

/// Why the demo's own model file could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The disk filled up while writing.
    #[error(
        "no space left for the model file {path} after {written_bytes} of {all_bytes} bytes: give a smaller --size, or set \
         TMPDIR to a folder with more space",
        path = .path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// How far it got.
        written_bytes: u64,
        /// How long it would have been.
        all_bytes: u64,
    },
    /// The process may not write files that long.
    #[error(
        "the model file {path} of {all_bytes} bytes is longer than this process may write: give a smaller --size, or raise \
         `ulimit -f`",
        path = .path.display()
    )]
    Limit {
        /// The file.
        path: PathBuf,
        /// How long it would have been.
        all_bytes: u64,
    },
    /// Anything else that the system said.
    #[error(
        "cannot write the model file {path}: {source}; set TMPDIR to a folder that can be written, or give --model",
        path = .path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The shapes do not make a header. A mistake in this program, kept as a value rather than a panic.
    #[error("cannot lay out a model of this --size: {0}; give another --size")]
    Layout(String),
}

/// Writes header and data to `file`; `path` is for messages only. Returns the bytes of data written.
pub fn write_model(
    file: &mut impl Write,
    path: &Path,
    tensors: &[TensorShape],
    progress: &mut Progress,
) -> Result<u64, WriteError> {
    let header = header(tensors)?;
    let data_bytes: u64 = tensors.iter().map(|tensor| tensor.bytes() as u64).sum();
    let all_bytes = header.len() as u64 + data_bytes;
    let mut written_bytes = 0;
    let mut write = |bytes: &[u8]| -> Result<(), WriteError> {
        file.write_all(bytes).map_err(|source| failed(path, source, written_bytes, all_bytes))?;
        written_bytes += bytes.len() as u64;
        progress.bytes("write_model", written_bytes, all_bytes);
        Ok(())
    };
    write(&header)?;
    let mut random = Random::new(SEED);
    let mut buffer = vec![0_u8; BUFFER_BYTES];
    let mut left_bytes = data_bytes;
    while left_bytes > 0 {
        let chunk_bytes = left_bytes.min(BUFFER_BYTES as u64);
        let chunk = &mut buffer[..chunk_bytes as usize];
        fill(chunk, &mut random);
        write(chunk)?;
        left_bytes -= chunk_bytes;
    }
    file.flush().map_err(|source| failed(path, source, all_bytes, all_bytes))?;
    Ok(data_bytes)
}

/// The length in front, and the JSON padded so that the data starts at a multiple of 8.
fn header(tensors: &[TensorShape]) -> Result<Vec<u8>, WriteError> {
    let mut end = 0;
    let entries = tensors
        .iter()
        .map(|tensor| {
            let start = end;
            end += tensor.bytes();
            let info = TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (start, end) };
            (tensor.name.clone(), info)
        })
        .collect();
    // One entry only: the order of more would change from run to run.
    let about = [("about".to_owned(), "made-up weights, written by heapledger demo".to_owned())].into();
    let metadata = Metadata::new(Some(about), entries).map_err(|error| WriteError::Layout(error.to_string()))?;
    let mut json = serde_json::to_vec(&metadata).map_err(|error| WriteError::Layout(error.to_string()))?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok(header)
}

/// Fills with bf16 numbers of either sign between 2⁻⁷ and 2⁻³, as trained weights are; never NaN, and incompressible
/// enough.
fn fill(chunk: &mut [u8], random: &mut Random) {
    for eight in chunk.chunks_mut(8) {
        let bits = (random.next_bits() & 0x81ff_81ff_81ff_81ff) | 0x3c00_3c00_3c00_3c00;
        eight.copy_from_slice(&bits.to_le_bytes()[..eight.len()]);
    }
}

fn failed(path: &Path, source: std::io::Error, written_bytes: u64, all_bytes: u64) -> WriteError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => WriteError::NoSpace { path, written_bytes, all_bytes },
        ErrorKind::FileTooLarge => WriteError::Limit { path, all_bytes },
        _ => WriteError::Io { path, source },
    }
}
