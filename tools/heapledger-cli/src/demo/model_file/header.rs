//! The header of a safetensors file: parsed, and believed only after every claim was checked.
//!
//! The safetensors crate reads entries and element types and validates the whole. It wants the complete file in memory
//! for its own checks against the file's length, and its errors do not name the tensor, so both are done here first.

use std::fmt;

use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;

use super::error::{HeaderProblem, Name, Problem};

/// The key that holds free text in place of a tensor.
const METADATA_KEY: &str = "__metadata__";

/// Where one tensor's bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The tensor's name.
    pub name: String,
    /// Its length in bytes. The tensors follow each other without gaps, so this is all that a reader needs.
    pub bytes: usize,
}

/// Parses a header (without the 8 bytes before it) and checks it against the `data_bytes` that follow it in the file.
/// Returns the tensors in the order of their bytes, gapless from the first byte of the data to its last.
pub fn parse(header: &[u8], data_bytes: u64) -> Result<Vec<Slot>, Problem> {
    let mut tensors = tensors(header)?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    check_each(&tensors, data_bytes)?;
    check_order(&tensors)?;
    let end = tensors.last().map_or(0, |(_, info)| info.data_offsets.1 as u64);
    if end < data_bytes {
        return Err(Problem::Trailing { extra_bytes: data_bytes - end });
    }
    let slots = tensors
        .iter()
        .map(|(name, info)| Slot { name: name.clone(), bytes: info.data_offsets.1 - info.data_offsets.0 })
        .collect();
    Metadata::new(None, tensors).map_err(HeaderProblem::Refused)?;
    Ok(slots)
}

/// Every entry of the header but the free text, each name once.
fn tensors(header: &[u8]) -> Result<Vec<(String, TensorInfo)>, HeaderProblem> {
    let entries: Entries = serde_json::from_slice(header).map_err(HeaderProblem::Json)?;
    let mut tensors = Vec::with_capacity(entries.0.len());
    let mut names = std::collections::HashSet::with_capacity(entries.0.len());
    for (name, value) in entries.0 {
        if !names.insert(name.clone()) {
            return Err(HeaderProblem::Duplicate(Name::from(&*name)));
        }
        if name != METADATA_KEY {
            let info = serde_json::from_value(value)
                .map_err(|source| HeaderProblem::Entry { tensor: Name::from(&*name), source })?;
            tensors.push((name, info));
        }
    }
    Ok(tensors)
}

/// What can be said of each tensor alone: its offsets run forward and end inside the file, and agree with shape and
/// dtype.
fn check_each(tensors: &[(String, TensorInfo)], data_bytes: u64) -> Result<(), Problem> {
    for (name, info) in tensors {
        let tensor = || Name::from(name.as_str());
        let (start, end) = info.data_offsets;
        if end < start {
            return Err(HeaderProblem::Reversed { tensor: tensor(), start: start as u64, end: end as u64 }.into());
        }
        if end as u64 > data_bytes {
            return Err(Problem::Truncated { tensor: tensor(), needs_bytes: end as u64, data_bytes });
        }
        let shape = || info.shape.clone();
        let elements = info.shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        let computed_bits = elements
            .and_then(|elements| elements.checked_mul(info.dtype.bitsize()))
            .ok_or_else(|| HeaderProblem::Overflow { tensor: tensor(), shape: shape() })?;
        if (end - start).checked_mul(8) != Some(computed_bits) {
            return Err(HeaderProblem::Size {
                tensor: tensor(),
                dtype: info.dtype,
                shape: shape(),
                computed_bits,
                offset_bytes: (end - start) as u64,
            }
            .into());
        }
    }
    Ok(())
}

/// What can be said of neighbours: each tensor starts where the one before it ends.
fn check_order(tensors: &[(String, TensorInfo)]) -> Result<(), HeaderProblem> {
    let mut expected = 0;
    let mut before: Option<&str> = None;
    for (name, info) in tensors {
        let (start, end) = info.data_offsets;
        if start != expected {
            let tensor = Name::from(name.as_str());
            let start = start as u64;
            let other_end = expected as u64;
            return Err(match before {
                Some(other) if start < other_end => {
                    HeaderProblem::Overlap { tensor, start, other: Name::from(other), other_end }
                }
                _ => HeaderProblem::Gap { tensor, start, expected: other_end },
            });
        }
        expected = end;
        before = Some(name);
    }
    Ok(())
}

/// The header's entries in the order of the file. A map would silently keep only the last of two equal names.
struct Entries(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> serde::de::Visitor<'de> for Collect {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that maps names to tensors")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
