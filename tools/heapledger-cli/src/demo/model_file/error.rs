//! What can be wrong with a model file, in words that name the file and say what to do.

use std::path::PathBuf;

use safetensors::Dtype;
use thiserror::Error;

/// Why a model file could not be loaded.
#[derive(Debug, Error)]
#[error("model file {file}: {problem}", file = .path.display())]
pub struct ModelError {
    /// The file as named by the user.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a model file.
#[derive(Debug, Error)]
pub enum Problem {
    /// Nothing at that path.
    #[error("does not exist; check the path given with --model")]
    Missing,
    /// A folder, as model hubs lay them out.
    #[error("is a directory; give one .safetensors file inside it")]
    Directory,
    /// A pipe, a socket or a device: their length is not known in advance.
    #[error("is not a regular file; give a .safetensors file on disk")]
    NotAFile,
    /// The system refused.
    #[error("cannot be {doing}: {source}; check its permissions and its disk")]
    Io {
        /// "opened" or "read".
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too short for the 8 bytes that every safetensors file starts with.
    #[error(
        "has {file_bytes} bytes, fewer than the 8 that every safetensors file starts with: it is empty, truncated or of \
         another format; fetch it again"
    )]
    TooShort {
        /// Length of the file.
        file_bytes: u64,
    },
    /// The header cannot be as long as the first 8 bytes say.
    #[error(
        "its first 8 bytes say that the header has {header_bytes} bytes, but {}: it is truncated or not a safetensors file; \
         fetch it again",
        .limit
    )]
    HeaderLength {
        /// What the first 8 bytes say.
        header_bytes: u64,
        /// What it may be.
        limit: HeaderLimit,
    },
    /// The header is not what it should be.
    #[error("its header is wrong: {0}; the file is damaged, fetch it or write it again")]
    Header(#[from] HeaderProblem),
    /// The header describes more than there is.
    #[error(
        "tensor {tensor} ends at byte {needs_bytes} of the data, but the file has {data_bytes} bytes of data: it is truncated, or \
         its header lies; fetch it again"
    )]
    Truncated {
        /// The first such tensor.
        tensor: Name,
        /// Where it ends.
        needs_bytes: u64,
        /// What follows the header.
        data_bytes: u64,
    },
    /// The header describes less than there is.
    #[error(
        "{extra_bytes} bytes follow its last tensor and belong to none: its header does not describe it; fetch it or write it \
         again"
    )]
    Trailing {
        /// Bytes that no tensor claims.
        extra_bytes: u64,
    },
    /// It was shortened after its length was read.
    #[error("ended within tensor {tensor}: something shortened it while it was read; let that finish and try again")]
    Shrunk {
        /// The tensor being read.
        tensor: Name,
    },
    /// The heap cannot hold it.
    #[error("no memory for the {bytes} bytes of tensor {tensor}; use a smaller model or raise the memory limit")]
    OutOfMemory {
        /// The tensor being read.
        tensor: Name,
        /// Its size.
        bytes: usize,
    },
}

/// Which bound a header's length exceeds.
#[derive(Debug, Error)]
pub enum HeaderLimit {
    /// The file itself ends earlier.
    #[error("only {0} bytes follow")]
    File(u64),
    /// The format allows no more.
    #[error("the format allows at most {0}")]
    Format(u64),
}

/// What is wrong inside a header.
#[derive(Debug, Error)]
pub enum HeaderProblem {
    /// Not JSON, or not an object of the right form.
    #[error("it is not a JSON object of tensors ({0})")]
    Json(serde_json::Error),
    /// An entry without the fields of a tensor, or with an unknown dtype.
    #[error("the entry of tensor {tensor} cannot be read ({source})")]
    Entry {
        /// Whose entry.
        tensor: Name,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// Two entries of one name.
    #[error("tensor {0} is described twice")]
    Duplicate(Name),
    /// An end before its start.
    #[error("tensor {tensor} ends at byte {end}, before its start at byte {start}")]
    Reversed {
        /// Which tensor.
        tensor: Name,
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
    },
    /// Two tensors share bytes.
    #[error("tensor {tensor} starts at byte {start}, inside tensor {other}, which ends at byte {other_end}")]
    Overlap {
        /// The later tensor.
        tensor: Name,
        /// Its first byte.
        start: u64,
        /// The earlier tensor.
        other: Name,
        /// Byte after the earlier one's last.
        other_end: u64,
    },
    /// Bytes between two tensors.
    #[error("tensor {tensor} starts at byte {start}, but the tensors before it end at byte {expected}")]
    Gap {
        /// The later tensor.
        tensor: Name,
        /// Its first byte.
        start: u64,
        /// Where it should start.
        expected: u64,
    },
    /// Shape times element size is more than a number can hold.
    #[error("the shape {shape:?} of tensor {tensor} overflows")]
    Overflow {
        /// Which tensor.
        tensor: Name,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Shape and dtype give another length than the offsets.
    #[error(
        "tensor {tensor} of {dtype} {shape:?} takes {computed_bits} bits, but its offsets span {offset_bytes} bytes"
    )]
    Size {
        /// Which tensor.
        tensor: Name,
        /// Its element type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// What dtype and shape give, in bits, because some types are smaller than a byte.
        computed_bits: usize,
        /// What the offsets give.
        offset_bytes: u64,
    },
    /// The safetensors crate refuses what our own checks let pass.
    #[error("the safetensors crate refuses it ({0})")]
    Refused(safetensors::SafeTensorError),
}

/// A tensor's name as it may be shown: quoted, control characters escaped, and cut when it is absurdly long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Longest name that is shown whole, in characters; real ones have about 50.
    const SHOWN_CHARACTERS: usize = 100;
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(match name.char_indices().nth(Self::SHOWN_CHARACTERS) {
            Some((end, _)) => format!("{:?}...", &name[..end]),
            None => format!("{name:?}"),
        })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
