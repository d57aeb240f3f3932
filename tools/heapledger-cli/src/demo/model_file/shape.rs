//! The tensors of a decoder-only transformer of a wanted size.

use safetensors::Dtype;

/// One layer at the smallest width, its embedding and its norms: below this there is nothing to write.
pub const MIN_MODEL_BYTES: u64 = 128 << 10;

/// Widths are multiples of this, as attention heads have it.
const WIDTH_STEP: u64 = 64;

/// The widest model written; beyond it more layers are added, as real families do.
const MAX_WIDTH: u64 = 8192;

/// A tensor to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorShape {
    /// Name in the style of published models.
    pub name: String,
    /// Matrices are bf16, norms f32.
    pub dtype: Dtype,
    /// Rows and columns, or a length.
    pub shape: Vec<usize>,
}

impl TensorShape {
    fn new(name: String, dtype: Dtype, shape: &[u64]) -> Self {
        Self { name, dtype, shape: shape.iter().map(|&side| side as usize).collect() }
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// The tensors of a model of at most `size_bytes`, and less than one embedding row (two bytes times the width) below
/// it. `size_bytes` is at least [`MIN_MODEL_BYTES`].
pub fn transformer(size_bytes: u64) -> Vec<TensorShape> {
    // About four fifths go into some 16 layers of 24 w² bytes each, the rest into the embedding; the number of words
    // then takes up what is left.
    let width = ((size_bytes / 480).isqrt() / WIDTH_STEP * WIDTH_STEP).clamp(WIDTH_STEP, MAX_WIDTH);
    let hidden = (width * 8 / 3).next_multiple_of(WIDTH_STEP);
    let layer_bytes = 2 * (4 * width * width + 3 * width * hidden) + 2 * 4 * width;
    let layers = (size_bytes / 5 * 4 / layer_bytes).max(1);
    let words = (size_bytes - layers * layer_bytes - 4 * width) / (2 * width);

    let mut tensors = vec![TensorShape::new("model.embed_tokens.weight".to_owned(), Dtype::BF16, &[words, width])];
    for layer in 0..layers {
        let mut add = |name: &str, dtype, shape: &[u64]| {
            tensors.push(TensorShape::new(format!("model.layers.{layer}.{name}.weight"), dtype, shape));
        };
        add("input_layernorm", Dtype::F32, &[width]);
        for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{part}"), Dtype::BF16, &[width, width]);
        }
        add("post_attention_layernorm", Dtype::F32, &[width]);
        add("mlp.gate_proj", Dtype::BF16, &[hidden, width]);
        add("mlp.up_proj", Dtype::BF16, &[hidden, width]);
        add("mlp.down_proj", Dtype::BF16, &[width, hidden]);
    }
    tensors.push(TensorShape::new("model.norm.weight".to_owned(), Dtype::F32, &[width]));
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tensors_sum_to_just_below_the_wanted_size() {
        for size_bytes in [MIN_MODEL_BYTES, MIN_MODEL_BYTES + 1, 1 << 20, 10_000_000, 256 << 20, 1 << 30, 100 << 30] {
            let tensors = transformer(size_bytes);
            let sum_bytes: u64 = tensors.iter().map(|tensor| tensor.bytes() as u64).sum();
            let row_bytes = 2 * tensors[0].shape[1] as u64;
            assert!(sum_bytes <= size_bytes, "{sum_bytes} of {size_bytes}");
            assert!(size_bytes - sum_bytes < row_bytes, "{sum_bytes} of {size_bytes}");
            assert!(tensors.iter().all(|tensor| tensor.bytes() > 0));
        }
    }
}
