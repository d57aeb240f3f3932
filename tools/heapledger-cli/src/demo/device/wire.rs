//! What goes through the pipe. Towards the device: one byte for the order, and for a tensor its length (8 bytes, little
//! endian) and its bytes. Back: one line of text per order that has an answer.

use std::fmt;

/// A tensor follows: its length, then its bytes.
pub const TENSOR: u8 = b'T';
/// Asks for a [`Kept`] line.
pub const DIGEST: u8 = b'D';
/// Asks the device to end with exit code 0. The end of the pipe without it means that the parent died.
pub const EXIT: u8 = b'X';
/// Starts a line that says why the device gives up.
pub const FAILED: &str = "failed ";

/// What the device says that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Tensors received.
    pub tensors: u64,
    /// Sum of their lengths.
    pub bytes: u64,
    /// CRC-32 (IEEE) over all bytes in the order received: it finds lost, swapped and damaged bytes, not forged ones.
    pub crc32: u32,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kept {} tensors {} bytes crc32 {:08x}", self.tensors, self.bytes, self.crc32)
    }
}

impl Kept {
    /// Reads what `Display` wrote; `None` if it is anything else.
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let ["kept", tensors, "tensors", bytes, "bytes", "crc32", crc32] = words[..] else { return None };
        let crc32 = u32::from_str_radix(crc32, 16).ok()?;
        Some(Self { tensors: tensors.parse().ok()?, bytes: bytes.parse().ok()?, crc32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let kept = Kept { tensors: 3, bytes: u64::MAX, crc32: 0xab };
        assert_eq!(Kept::parse(&kept.to_string()), Some(kept));
        assert_eq!(Kept::parse("kept 3 tensors"), None);
        assert_eq!(Kept::parse("kept x tensors 1 bytes crc32 00"), None);
    }
}
