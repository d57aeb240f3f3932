//! The model on disk: the shapes of a transformer, a safetensors file written from them, and one read back.

pub mod error;
pub mod header;
pub mod read;
pub mod shape;
pub mod write;

#[cfg(test)]
mod tests;
