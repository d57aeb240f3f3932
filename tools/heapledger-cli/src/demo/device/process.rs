//! The other end of the pipe: the child process, which keeps what it is sent until it is told to end.

use std::io::{IsTerminal, Read, Write};

use heapledger::Region;

use super::wire::{DIGEST, EXIT, FAILED, Kept, TENSOR};

/// What a GPU would hold.
static DEVICE: Region = Region::new("device");

/// The device was told to end.
const DONE: i32 = 0;
/// It could not go on, and said why on its standard output.
const GAVE_UP: i32 = 1;
/// It was started by a person.
const MISUSED: i32 = 2;
/// The pipe ended without an order to end: the parent died.
const ORPHANED: i32 = 3;

/// Runs the device on standard input and output; returns the exit code.
pub fn run() -> i32 {
    if std::io::stdin().is_terminal() {
        let _ = writeln!(std::io::stderr(), "heapledger: `device` is started by `heapledger demo`, not by hand");
        return MISUSED;
    }
    serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
}

/// Follows orders from `input` until told to end, or until the pipe ends.
fn serve(input: &mut impl Read, output: &mut impl Write) -> i32 {
    let mut tensors: Vec<Vec<u8>> = Vec::new();
    let mut checksum = crc32fast::Hasher::new();
    loop {
        let mut order = [0];
        if input.read_exact(&mut order).is_err() {
            return ORPHANED;
        }
        let answer = match order[0] {
            TENSOR => match receive(input) {
                Ok(tensor) => {
                    checksum.update(&tensor);
                    tensors.push(tensor);
                    continue;
                }
                Err(Refusal::Orphaned) => return ORPHANED,
                Err(Refusal::OutOfMemory(bytes)) => format!("{FAILED}no memory for a tensor of {bytes} bytes\n"),
            },
            DIGEST => {
                let bytes = tensors.iter().map(|tensor| tensor.len() as u64).sum();
                let crc32 = checksum.clone().finalize();
                format!("{}\n", Kept { tensors: tensors.len() as u64, bytes, crc32 })
            }
            EXIT => return DONE,
            other => format!("{FAILED}unknown order {other:#04x}\n"),
        };
        if output.write_all(answer.as_bytes()).and_then(|()| output.flush()).is_err() {
            return ORPHANED;
        }
        if answer.starts_with(FAILED) {
            return GAVE_UP;
        }
    }
}

/// Why a tensor could not be received.
enum Refusal {
    Orphaned,
    OutOfMemory(u64),
}

/// Receives one tensor into a buffer of exactly its size.
fn receive(input: &mut impl Read) -> Result<Vec<u8>, Refusal> {
    let mut length = [0; 8];
    input.read_exact(&mut length).map_err(|_| Refusal::Orphaned)?;
    let bytes = u64::from_le_bytes(length);
    let mut tensor = Vec::new();
    let reserved = DEVICE.scope(|| usize::try_from(bytes).is_ok_and(|bytes| tensor.try_reserve_exact(bytes).is_ok()));
    if !reserved {
        return Err(Refusal::OutOfMemory(bytes));
    }
    match input.take(bytes).read_to_end(&mut tensor) {
        Ok(_) if tensor.len() as u64 == bytes => Ok(tensor),
        _ => Err(Refusal::Orphaned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(bytes: &[u8]) -> Vec<u8> {
        let mut order = vec![TENSOR];
        order.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        order.extend_from_slice(bytes);
        order
    }

    fn run_on(orders: &[u8]) -> (i32, String) {
        let mut output = Vec::new();
        let code = serve(&mut &*orders, &mut output);
        (code, String::from_utf8(output).unwrap())
    }

    #[test]
    fn what_is_kept_is_what_was_sent() {
        let orders = [tensor(b"12345"), tensor(b""), tensor(b"6789"), vec![DIGEST, EXIT]].concat();
        // The published check value of CRC-32 for the digits 1 to 9.
        assert_eq!(run_on(&orders), (DONE, "kept 3 tensors 9 bytes crc32 cbf43926\n".to_owned()));
    }

    #[test]
    fn the_end_of_the_pipe_ends_the_device_quietly() {
        assert_eq!(run_on(b""), (ORPHANED, String::new()));
        assert_eq!(run_on(&tensor(b"12345")[..11]), (ORPHANED, String::new()));
        assert_eq!(run_on(&tensor(b"12345")), (ORPHANED, String::new()));
    }

    #[test]
    fn an_impossible_length_and_an_unknown_order_are_answered() {
        let mut absurd = vec![TENSOR];
        absurd.extend_from_slice(&u64::MAX.to_le_bytes());
        let (code, answer) = run_on(&absurd);
        assert_eq!((code, answer.starts_with(FAILED)), (GAVE_UP, true), "{answer}");
        let (code, answer) = run_on(b"?");
        assert_eq!((code, answer.starts_with(FAILED)), (GAVE_UP, true), "{answer}");
    }
}
