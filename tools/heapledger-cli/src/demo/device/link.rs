//! This end of the pipe: starts the device, sends tensors, asks for the checksum, and ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use heapledger::Region;

use super::error::DeviceError;
use super::wire::{DIGEST, EXIT, FAILED, Kept, TENSOR};
use crate::demo::cleanup::Cleanup;

/// The staging buffer, as a driver has it for uploads.
static STAGING: Region = Region::new("staging");

/// Size of the staging buffer, and so the live bytes of region `staging` while the device is in use.
pub const STAGING_BYTES: usize = 1 << 20;

/// How long a device may take to end. It only has to free what it keeps, but it may be swapped out.
const EXIT_PATIENCE: Duration = Duration::from_secs(20);

/// Longest line that a device is believed to send.
const MAX_LINE_BYTES: u64 = 4096;

/// A running device process. Ending it, killing it and reaping it are `Cleanup`'s, so that a signal can do them too.
#[derive(Debug)]
pub struct Device<'cleanup> {
    cleanup: &'cleanup Cleanup,
    pid: u32,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    staging: Vec<u8>,
    sent: Kept,
    checksum: crc32fast::Hasher,
}

impl<'cleanup> Device<'cleanup> {
    /// Starts this same program as a device.
    ///
    /// # Errors
    /// The program's file is gone, or the system refuses a process.
    pub fn start(cleanup: &'cleanup Cleanup) -> Result<Self, DeviceError> {
        let program = std::env::current_exe().map_err(DeviceError::Start)?;
        let mut command = Command::new(program);
        command.arg("device").stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own: Ctrl-C at the terminal then reaches only us, who end the device in order.
        command.process_group(0);
        let (pid, input, output) = cleanup.spawn(&mut command).map_err(DeviceError::Start)?;
        let staging = STAGING.scope(|| Vec::with_capacity(STAGING_BYTES));
        let sent = Kept { tensors: 0, bytes: 0, crc32: 0 };
        let output = BufReader::new(output);
        Ok(Self { cleanup, pid, input, output, staging, sent, checksum: crc32fast::Hasher::new() })
    }

    /// The device's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a tensor through the staging buffer, which never grows.
    ///
    /// # Errors
    /// The device ended, or its pipe failed.
    pub fn send(&mut self, tensor: &[u8], mut advance: impl FnMut(usize)) -> Result<(), DeviceError> {
        const DURING: &str = "to_device";
        let mut start = [TENSOR; 9];
        start[1..].copy_from_slice(&(tensor.len() as u64).to_le_bytes());
        self.order(&start, DURING)?;
        for chunk in tensor.chunks(STAGING_BYTES) {
            self.staging.clear();
            self.staging.extend_from_slice(chunk);
            self.checksum.update(&self.staging);
            let written = self.input.write_all(&self.staging);
            written.map_err(|source| self.failed(DURING, source))?;
            advance(chunk.len());
        }
        self.sent.tensors += 1;
        self.sent.bytes += tensor.len() as u64;
        Ok(())
    }

    /// Asks what the device keeps and compares it with what was sent.
    ///
    /// # Errors
    /// The device ended, answers nonsense, or keeps something else.
    pub fn verify(&mut self) -> Result<Kept, DeviceError> {
        const DURING: &str = "to_device";
        self.order(&[DIGEST], DURING)?;
        let mut line = String::new();
        let read = (&mut self.output).take(MAX_LINE_BYTES).read_line(&mut line);
        read.map_err(|source| self.failed(DURING, source))?;
        if line.is_empty() || line.starts_with(FAILED) {
            return Err(self.died(DURING, line));
        }
        let pid = self.pid;
        let got = Kept::parse(&line).ok_or_else(|| DeviceError::Answer { pid, answer: line.trim_end().to_owned() })?;
        let sent = Kept { crc32: self.checksum.clone().finalize(), ..self.sent };
        if got != sent {
            return Err(DeviceError::Checksum { pid, sent, got });
        }
        Ok(got)
    }

    /// Fails if the device has ended; costs one system call.
    ///
    /// # Errors
    /// The device ended.
    pub fn check_alive(&self, during: &'static str) -> Result<(), DeviceError> {
        let pid = self.pid;
        match self.cleanup.child_status().map_err(|source| DeviceError::Pipe { pid, during, source })? {
            Some(status) => Err(DeviceError::Died { pid, during, status, message: None }),
            None => Ok(()),
        }
    }

    /// Tells the device to end, waits for it and checks its exit status. The staging buffer goes with it.
    ///
    /// # Errors
    /// The device ended before, ended in another way, or does not end.
    pub fn finish(mut self) -> Result<(), DeviceError> {
        const DURING: &str = "done";
        self.order(&[EXIT], DURING)?;
        let pid = self.pid;
        let waited = self.cleanup.wait_child(EXIT_PATIENCE);
        match waited.map_err(|source| DeviceError::Pipe { pid, during: DURING, source })? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(DeviceError::Died { pid, during: DURING, status, message: None }),
            None => Err(DeviceError::Hangs { pid, seconds: EXIT_PATIENCE.as_secs() }),
        }
    }

    fn order(&mut self, bytes: &[u8], during: &'static str) -> Result<(), DeviceError> {
        let written = self.input.write_all(bytes);
        written.map_err(|source| self.failed(during, source))
    }

    /// A pipe that fails usually means that the device is ending: then its exit status says more than the pipe does.
    fn failed(&mut self, during: &'static str, source: std::io::Error) -> DeviceError {
        if source.kind() == std::io::ErrorKind::BrokenPipe {
            let mut line = String::new();
            // Nothing said, or nothing that can be read, is no message.
            let _ = (&mut self.output).take(MAX_LINE_BYTES).read_line(&mut line);
            return self.died(during, line);
        }
        DeviceError::Pipe { pid: self.pid, during, source }
    }

    /// Waits for a device that closed its pipe or said that it gives up.
    fn died(&mut self, during: &'static str, line: String) -> DeviceError {
        let pid = self.pid;
        let message = line.strip_prefix(FAILED).map(|message| message.trim_end().to_owned());
        match self.cleanup.wait_child(EXIT_PATIENCE) {
            Ok(Some(status)) => DeviceError::Died { pid, during, status, message },
            Ok(None) => DeviceError::Hangs { pid, seconds: EXIT_PATIENCE.as_secs() },
            Err(source) => DeviceError::Pipe { pid, during, source },
        }
    }
}
