//! The file: lines that could not be written wait, and none is written in part for good.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::Error;

/// Lines on their way to a file.
#[derive(Debug)]
pub(super) struct Sink<W = File> {
    file: W,
    waiting: VecDeque<String>,
    /// So many bytes of the first of them are in the file.
    begun: usize,
    room: usize,
    pub(super) written: u64,
    pub(super) lost: u64,
    pub(super) error: Option<ErrorKind>,
}

impl Sink {
    pub(super) fn open(path: PathBuf, room: usize) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self::new(file.map_err(|error| Error::Sink { kind: error.kind(), lost: 0 })?, room))
    }
}

impl<W: Write> Sink<W> {
    fn new(file: W, room: usize) -> Self {
        Self { file, waiting: VecDeque::new(), begun: 0, room, written: 0, lost: 0, error: None }
    }

    /// Adds a line, and writes what can be written.
    pub(super) fn push(&mut self, mut line: String) {
        self.flush();
        if self.waiting.len() >= self.room {
            // The first may be in the file in part, so it is the newest that goes.
            self.lost += 1;
            return;
        }
        line.push('\n');
        self.waiting.push_back(line);
        self.flush();
    }

    /// Writes what waits, as far as it goes.
    pub(super) fn flush(&mut self) {
        while let Some(line) = self.waiting.front() {
            match self.file.write(line.as_bytes().get(self.begun..).unwrap_or_default()) {
                Ok(0) => return self.error = Some(ErrorKind::WriteZero),
                Ok(bytes) => self.begun += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.error = Some(error.kind()),
            }
            if self.begun >= line.len() {
                self.begun = 0;
                self.waiting.pop_front();
                self.written += 1;
            }
        }
        self.error = self.file.flush().err().map(|error| error.kind());
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then is full.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_was_full_for_a_while_leaves_no_hole_and_no_half_line() {
        let mut sink = Sink::new(Disk { room: 10, ..Disk::default() }, 4);
        for line in ["first", "second", "third"] {
            sink.push(line.to_owned());
        }
        assert_eq!((sink.written, sink.waiting(), sink.lost), (1, 2, 0));
        assert_eq!(sink.error, Some(ErrorKind::StorageFull));
        sink.file.room = 100;
        sink.push("fourth".to_owned());
        assert_eq!(sink.file.bytes, b"first\nsecond\nthird\nfourth\n");
        assert_eq!((sink.written, sink.waiting(), sink.lost, sink.error), (4, 0, 0, None));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut sink = Sink::new(Disk { room: 3, ..Disk::default() }, 2);
        for line in ["first", "second", "third", "fourth"] {
            sink.push(line.to_owned());
        }
        assert_eq!((sink.written, sink.waiting(), sink.lost), (0, 2, 2));
        sink.file.room = 100;
        sink.flush();
        assert_eq!(sink.file.bytes, b"first\nsecond\n");
    }
}
