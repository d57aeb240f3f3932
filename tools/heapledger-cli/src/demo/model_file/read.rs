//! Opens a safetensors file, checks its header, and reads each tensor into a heap buffer of its own.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::error::{HeaderLimit, ModelError, Name, Problem};
use super::header::{self, Slot};
use crate::demo::progress::Progress;

/// The format's own limit on headers.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes of a tensor read at a time: often enough for progress to move.
const CHUNK_BYTES: usize = 4 << 20;

/// A model file whose header was checked; the data is not read yet.
#[derive(Debug)]
pub struct ModelFile<'path> {
    path: &'path Path,
    file: File,
    slots: Vec<Slot>,
}

impl<'path> ModelFile<'path> {
    /// Opens the file and believes its header only after checking it. Reads the header, none of the data.
    pub fn open(path: &'path Path) -> Result<Self, ModelError> {
        let (file, slots) = open(path).map_err(|problem| ModelError { path: path.to_owned(), problem })?;
        Ok(Self { path, file, slots })
    }

    /// Sum of the tensors' sizes: exactly what loading puts on the heap.
    pub fn data_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.bytes as u64).sum()
    }

    /// Number of tensors in the file.
    pub fn tensor_count(&self) -> usize {
        self.slots.len()
    }

    /// Reads every tensor. `reserve` is called once for each non-empty one to allocate its buffer, so that the caller
    /// decides to which region the buffers, and nothing else, belong; it gets the number of bytes and returns `None` if
    /// there is no memory for them.
    pub fn load(
        mut self,
        reserve: impl Fn(usize) -> Option<Vec<u8>>,
        progress: &mut Progress,
    ) -> Result<Vec<Vec<u8>>, ModelError> {
        let all_bytes = self.data_bytes();
        let mut done_bytes = 0;
        let mut tensors = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let advance = |bytes: usize| {
                done_bytes += bytes as u64;
                progress.bytes("load_model", done_bytes, all_bytes);
            };
            let tensor = read_tensor(&mut self.file, slot, &reserve, advance)
                .map_err(|problem| ModelError { path: self.path.to_owned(), problem })?;
            tensors.push(tensor);
        }
        Ok(tensors)
    }
}

fn open(path: &Path) -> Result<(File, Vec<Slot>), Problem> {
    let cannot = |doing| move |source| Problem::Io { doing, source };
    // Asked before opening, because opening a pipe would wait for a writer.
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Problem::Missing),
        other => other.map_err(cannot("opened"))?,
    };
    if metadata.is_dir() {
        return Err(Problem::Directory);
    }
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    let mut file = File::open(path).map_err(cannot("opened"))?;
    let file_bytes = file.metadata().map_err(cannot("opened"))?.len();
    let Some(after_length) = file_bytes.checked_sub(8) else {
        return Err(Problem::TooShort { file_bytes });
    };
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(cannot("read"))?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_HEADER_BYTES {
        return Err(Problem::HeaderLength { header_bytes, limit: HeaderLimit::Format(MAX_HEADER_BYTES) });
    }
    let Some(data_bytes) = after_length.checked_sub(header_bytes) else {
        return Err(Problem::HeaderLength { header_bytes, limit: HeaderLimit::File(after_length) });
    };
    let mut header = vec![0; header_bytes as usize];
    file.read_exact(&mut header).map_err(cannot("read"))?;
    let slots = header::parse(&header, data_bytes)?;
    Ok((file, slots))
}

/// Reads one tensor into a buffer of exactly its size.
fn read_tensor(
    file: &mut File,
    slot: &Slot,
    reserve: impl Fn(usize) -> Option<Vec<u8>>,
    mut advance: impl FnMut(usize),
) -> Result<Vec<u8>, Problem> {
    let tensor = || Name::from(slot.name.as_str());
    if slot.bytes == 0 {
        return Ok(Vec::new());
    }
    let mut buffer = reserve(slot.bytes).ok_or_else(|| Problem::OutOfMemory { tensor: tensor(), bytes: slot.bytes })?;
    while buffer.len() < slot.bytes {
        let chunk_bytes = (slot.bytes - buffer.len()).min(CHUNK_BYTES);
        // Appends within the capacity, so the pages are written once, by the kernel, and the buffer never moves.
        let read_bytes = file
            .take(chunk_bytes as u64)
            .read_to_end(&mut buffer)
            .map_err(|source| Problem::Io { doing: "read", source })?;
        if read_bytes < chunk_bytes {
            return Err(Problem::Shrunk { tensor: tensor() });
        }
        advance(read_bytes);
    }
    Ok(buffer)
}
