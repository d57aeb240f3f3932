//! Buffers in mappings of their own, for what is read while the heap must stand still.
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::{NonNull, null_mut};
use std::slice;

use crate::ReadError;

/// Plain numbers: any bytes are a value, and all zeroes are its default.
///
/// # Safety
///
/// * Every pattern of bytes that an all-zero value or an assignment of a value can leave is a valid `Self`; zeroes are.
/// * `Self` is at most as aligned as a page.
pub(crate) unsafe trait Plain: Copy + Default {}

// SAFETY: numbers.
unsafe impl Plain for u8 {}
// SAFETY: numbers.
unsafe impl Plain for u64 {}
// SAFETY: two numbers.
unsafe impl Plain for (usize, usize) {}
// SAFETY: numbers.
unsafe impl Plain for [u64; 4] {}

/// Declares structures of numbers to be [`Plain`]; here, so that the promise stands in one file.
macro_rules! plain {
    ($($name:path),* $(,)?) => { $(
        // SAFETY: a structure of unsigned numbers, booleans, and enums without fields whose first value is 0.
        unsafe impl Plain for $name {}
    )* };
}

plain!(
    super::maps::Vma,
    crate::attribute::Run,
    crate::attribute::Extent,
    crate::attribute::Gap,
    crate::attribute::RegionPages,
    crate::attribute::ClassPages,
    crate::walker::Piece,
    crate::walker::Own,
);

/// Smallest page that Linux has; touching more often than needed is harmless.
const TOUCH_BYTES: usize = 4096;

/// A slice in a private anonymous mapping, every page of which was written: it uses no heap, and no page of it becomes
/// resident while a reading is taken. Unmapped when dropped.
///
/// It is kept out of huge pages and core dumps; the latter also keeps the kernel from merging the mapping with a
/// neighbour's.
#[derive(Debug)]
pub(crate) struct MapBuf<T: Plain> {
    start: NonNull<T>,
    len: usize,
    mapped_bytes: usize,
    of: PhantomData<T>,
}

// SAFETY: it owns its memory like a vector of plain numbers.
unsafe impl<T: Plain + Send> Send for MapBuf<T> {}
// SAFETY: shared access only reads.
unsafe impl<T: Plain + Sync> Sync for MapBuf<T> {}

impl<T: Plain> MapBuf<T> {
    /// Maps room for `len` values of zeroes and touches it.
    pub(crate) fn new(len: usize) -> Result<Self, ReadError> {
        let buffer = Self::map(len, 0)?;
        buffer.touch(0..buffer.mapped_bytes);
        Ok(buffer)
    }

    /// The same, of which only the first `touched` values are touched: what is beyond may never be needed.
    pub(crate) fn reserve(len: usize, touched: usize) -> Result<Self, ReadError> {
        let buffer = Self::map(len, libc::MAP_NORESERVE)?;
        buffer.touch(0..bytes_of::<T>(touched)?.min(buffer.mapped_bytes));
        Ok(buffer)
    }

    fn map(len: usize, flags: libc::c_int) -> Result<Self, ReadError> {
        let mapped_bytes = bytes_of::<T>(len)?;
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory of anybody.
        let raw = unsafe {
            libc::mmap(
                null_mut(),
                mapped_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
                -1,
                0,
            )
        };
        let Some(start) = NonNull::new(raw.cast::<T>()).filter(|_| raw != libc::MAP_FAILED) else {
            return Err(refused());
        };
        for advice in [libc::MADV_NOHUGEPAGE, libc::MADV_DONTDUMP] {
            // SAFETY: the range was mapped above and holds no data yet; refusal changes nothing but figures.
            unsafe { libc::madvise(raw, mapped_bytes, advice) };
        }
        Ok(Self { start, len, mapped_bytes, of: PhantomData })
    }

    /// Gives back what lies beyond `len` values, in whole pages; the address stays.
    pub(crate) fn shrink(&mut self, len: usize) {
        let Ok(mapped_bytes) = bytes_of::<T>(len) else { return };
        if mapped_bytes >= self.mapped_bytes {
            return;
        }
        let behind = self.start.as_ptr().cast::<u8>().wrapping_add(mapped_bytes);
        // SAFETY: the rest of the mapping that this value owns, and no borrow of it is alive, since `self` is
        // exclusive.
        if unsafe { libc::munmap(behind.cast(), self.mapped_bytes - mapped_bytes) } == 0 {
            (self.len, self.mapped_bytes) = (len.min(self.len), mapped_bytes);
        }
    }

    /// Makes room for at least `len` values, and touches it. What was there stays, what is new is zeroes. The address
    /// may change.
    pub(crate) fn grow(&mut self, len: usize) -> Result<(), ReadError> {
        if len <= self.len {
            return Ok(());
        }
        let mapped_bytes = bytes_of::<T>(len)?;
        // SAFETY: the range is the mapping that this value owns; no borrow of it is alive, since `self` is exclusive.
        let raw =
            unsafe { libc::mremap(self.start.as_ptr().cast(), self.mapped_bytes, mapped_bytes, libc::MREMAP_MAYMOVE) };
        let Some(start) = NonNull::new(raw.cast::<T>()).filter(|_| raw != libc::MAP_FAILED) else {
            return Err(refused());
        };
        let before = self.mapped_bytes;
        (self.start, self.len, self.mapped_bytes) = (start, len, mapped_bytes);
        self.touch(before..self.mapped_bytes);
        Ok(())
    }

    /// Writes a zero to every page of these offsets, which were mapped just now.
    fn touch(&self, offsets: Range<usize>) {
        for offset in offsets.step_by(TOUCH_BYTES) {
            let place = self.start.as_ptr().cast::<u8>().wrapping_add(offset);
            // SAFETY: inside the mapping, on a page that nothing was written to since it was mapped: it is zero.
            unsafe { place.write_volatile(0) };
        }
    }

    /// Address and length of the mapping.
    pub(crate) fn range(&self) -> (usize, usize) {
        (self.start.as_ptr() as usize, self.mapped_bytes)
    }
}

impl<T: Plain> Deref for MapBuf<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping has room for `len` values, which are zeroes or were assigned.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for MapBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for MapBuf<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody can borrow it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// Whole pages for so many values, at least one.
fn bytes_of<T>(len: usize) -> Result<usize, ReadError> {
    let bytes = len.max(1).checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize / 2);
    bytes.map(|bytes| bytes.next_multiple_of(TOUCH_BYTES)).ok_or(ReadError::NoRoom { kind: io::ErrorKind::OutOfMemory })
}

fn refused() -> ReadError {
    ReadError::NoRoom { kind: io::Error::last_os_error().kind() }
}

/// Values that are pushed into a buffer until it is full.
#[derive(Debug)]
pub(crate) struct MapList<T: Plain> {
    buffer: MapBuf<T>,
    len: usize,
}

impl<T: Plain> MapList<T> {
    pub(crate) fn with_room(room: usize) -> Result<Self, ReadError> {
        Ok(Self { buffer: MapBuf::new(room)?, len: 0 })
    }

    /// `false` when there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, value: T) -> bool {
        let Some(place) = self.buffer.get_mut(self.len) else { return false };
        *place = value;
        self.len += 1;
        true
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes the last value away.
    pub(crate) fn pop(&mut self) {
        self.len -= usize::from(self.len > 0);
    }

    /// Shortens the list, or lengthens it within its room by what is in the buffer.
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(self.room());
    }

    pub(crate) fn room(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn grow(&mut self, room: usize) -> Result<(), ReadError> {
        self.buffer.grow(room)
    }

    pub(crate) fn range(&self) -> (usize, usize) {
        self.buffer.range()
    }
}

impl<T: Plain> Deref for MapList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Only `push` raises the length, after it found the place.
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl<T: Plain> DerefMut for MapList<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.buffer.get_mut(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_when_a_buffer_grows() {
        let mut buffer = MapBuf::<u64>::new(3).expect("a page can be mapped");
        buffer.copy_from_slice(&[1, 2, 3]);
        buffer.grow(1 << 20).expect("8 MiB can be mapped");
        assert_eq!(buffer[..4], [1, 2, 3, 0]);
        assert_eq!(buffer.len(), 1 << 20);
        assert!(buffer.iter().skip(3).all(|word| *word == 0));
        buffer.grow(1).expect("a buffer never shrinks");
        assert_eq!(buffer.len(), 1 << 20);
    }

    #[test]
    fn what_was_written_stays_when_a_reserve_shrinks() {
        let mut buffer = MapBuf::<u64>::reserve(1 << 30, 4).expect("8 GiB of addresses can be had");
        buffer[..3].copy_from_slice(&[1, 2, 3]);
        let (start, _) = buffer.range();
        buffer.shrink(3);
        assert_eq!((buffer.range(), &buffer[..]), ((start, TOUCH_BYTES), &[1, 2, 3][..]));
    }

    #[test]
    fn a_full_list_refuses() {
        let mut list = MapList::<u8>::with_room(2).expect("a page can be mapped");
        assert!(list.push(1) && list.push(2) && !list.push(3));
        assert_eq!(list[..], [1, 2]);
        list.clear();
        assert!(list.is_empty());
    }

    #[test]
    fn a_buffer_beyond_the_address_space_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 50] {
            let error = MapBuf::<u64>::new(len).expect_err("there is no such memory");
            assert_eq!(error, ReadError::NoRoom { kind: io::ErrorKind::OutOfMemory });
        }
    }
}
