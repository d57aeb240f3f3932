//! Small files of the kernel, read into the stack.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::ReadError;

/// Longer paths than the kernel takes are refused here rather than there.
const PATH_BYTES: usize = 4096;

/// Enough for every file whose one number is read whole.
const NUMBER_BYTES: usize = 64;

/// A path put together without the heap.
pub(crate) struct StackPath {
    bytes: [u8; PATH_BYTES],
    len: usize,
}

impl StackPath {
    /// The parts one after the other; each after the first begins with its own `/`, unless it is empty. `None` if they
    /// do not fit.
    pub(crate) fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut path = Self { bytes: [0; PATH_BYTES], len: 0 };
        for part in parts {
            let end = path.len + part.len();
            path.bytes.get_mut(path.len..end)?.copy_from_slice(part);
            path.len = end;
        }
        Some(path)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // The length was checked when the parts were put in.
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.bytes()))
    }
}

/// Opens `root` + `rest`. The standard library opens a path of usual length without allocating, and closes it on exec.
///
/// A file is opened for each reading: one kept open would read the parent after a fork, and a number of a descriptor
/// kept across a daemon's closing of all descriptors could be somebody else's file.
pub(crate) fn open(file: &'static str, parts: &[&[u8]]) -> Result<File, ReadError> {
    let path = StackPath::of(parts).ok_or(ReadError::PathTooLong { file })?;
    File::open(path.as_path()).map_err(|error| ReadError::file(file, &error))
}

/// The bytes of a path.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Calls `each` with every line, without its line break, until it says stop. Lines longer than `buffer` are left out.
///
/// # Errors
///
/// What `reader` says, save interruptions, after which it is read again.
pub(crate) fn for_each_line(
    mut reader: impl Read,
    buffer: &mut [u8],
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut filled = 0;
    // Whether the start of the line in the buffer was thrown away, because it did not fit.
    let mut too_long = false;
    loop {
        let count = read_some(&mut reader, &mut buffer[filled..])?;
        if count == 0 {
            if filled > 0 && !too_long {
                let _ = each(&buffer[..filled]);
            }
            return Ok(());
        }
        filled += count;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|byte| *byte == b'\n') {
            let line = &buffer[start..start + length];
            if !std::mem::take(&mut too_long) && each(line).is_break() {
                return Ok(());
            }
            start += length + 1;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        if filled == buffer.len() {
            (filled, too_long) = (0, true);
        }
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The one word of a short file, passed to `each` without its line break; `None` from `each` means malformed.
pub(crate) fn one_word<T>(
    file: &'static str,
    parts: &[&[u8]],
    each: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, ReadError> {
    let mut reader = open(file, parts)?;
    let mut buffer = [0; NUMBER_BYTES];
    let mut filled = 0;
    loop {
        let count = read_some(&mut reader, &mut buffer[filled..]).map_err(|error| ReadError::file(file, &error))?;
        filled += count;
        // The line break ends the file; asking for more would cost a call to be told so.
        if count == 0 || buffer[..filled].ends_with(b"\n") {
            break;
        }
    }
    each(buffer[..filled].trim_ascii()).ok_or(ReadError::Malformed { file, field: "its only line" })
}

/// A decimal number without sign; `None` if it is none, or does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `step` bytes at most, and an interruption before each.
    struct Trickle<'a> {
        rest: &'a [u8],
        step: usize,
        interrupted: bool,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.step.min(self.rest.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.rest[..count]);
            self.rest = &self.rest[count..];
            Ok(count)
        }
    }

    #[test]
    fn lines_come_out_whole_however_the_bytes_arrive() {
        let text = b"one\ntwo is far too long for the buffer\n\nthree\nlast";
        for step in 1..20 {
            let mut lines = Vec::new();
            let trickle = Trickle { rest: text, step, interrupted: false };
            let done = for_each_line(trickle, &mut [0; 12], |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
                ControlFlow::Continue(())
            });
            assert!(done.is_ok());
            assert_eq!(lines, ["one", "", "three", "last"], "{step} bytes at a time");
        }
    }

    #[test]
    fn reading_stops_when_it_is_told_to() {
        let mut count = 0;
        let done = for_each_line(&b"a\nb\nc\n"[..], &mut [0; 8], |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert!(done.is_ok());
        assert_eq!(count, 1);
    }

    #[test]
    fn decimals_are_digits_that_fit() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"18446744073709551616", b"-1", b"12 ", b"0x1"] {
            assert_eq!(decimal(bad), None);
        }
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        assert!(StackPath::of(&[&[b'a'; PATH_BYTES], b"/x"]).is_none());
        assert_eq!(
            StackPath::of(&[b"/proc", b"/self"]).map(|path| path.as_path().to_owned()),
            Some("/proc/self".into())
        );
    }
}
