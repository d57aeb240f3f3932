//! Where the variables without an initial value of a loaded file lie.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A loadable segment of a file, as its header says: addresses are relative to where the file is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// First byte.
    pub start: u64,
    /// Behind the bytes that the file has.
    pub file_end: u64,
    /// Behind the bytes in memory.
    pub end: u64,
}

const LOADABLE: u64 = 1;

/// The loadable segments of a 64-bit little-endian ELF file; none if it is no such file.
pub fn segments(path: &Path) -> Vec<Segment> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let number = |at: u64, len: usize| {
        let mut bytes = [0_u8; 8];
        file.read_exact_at(&mut bytes[..len], at).map(|()| u64::from_le_bytes(bytes)).unwrap_or_default()
    };
    // The magic number, the class of 64 bits, and the order of bytes.
    if number(0, 4) != 0x464c_457f || number(4, 2) != 0x0102 {
        return Vec::new();
    }
    let (headers, header_bytes, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    (0..count)
        .map(|index| headers + index * header_bytes)
        .filter(|header| number(*header, 4) == LOADABLE)
        .map(|header| {
            let (start, file_bytes, bytes) =
                (number(header + 0x10, 8), number(header + 0x20, 8), number(header + 0x28, 8));
            Segment { start, file_end: start + file_bytes, end: start + bytes }
        })
        .collect()
}
