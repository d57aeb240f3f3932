//! The device: a child process that takes every tensor's bytes through a pipe, keeps them on its own heap, and answers
//! with their number and checksum. So the bytes really leave this process, as they do when weights go to a GPU.

pub mod error;
pub mod link;
pub mod process;
mod wire;

pub use error::DeviceError;
pub use link::Device;
