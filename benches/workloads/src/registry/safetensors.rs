//! `safetensors`: a model file read and its tensors copied out, as a model server does at its start.

#[cfg(not(feature = "programs"))]
use crate::workload::not_built;
use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![SafeTensors];

/// A file of 200 tensors, 48 MB, read into memory; its header parsed and each tensor copied into a vector of its own.
pub struct SafeTensors;

impl Workload for SafeTensors {
    const INFO: Info = Info {
        id: "safetensors",
        about: "safetensors: a file of 48 MB read, its 200 tensors copied into vectors",
        operation: "load",
        mix: Mix::Pure,
        class: Class::LargeProgram,
        iterations: 4,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        #[cfg(feature = "programs")]
        return work::run(tagger, iterations);
        #[cfg(not(feature = "programs"))]
        not_built(Self::INFO.id, tagger, iterations)
    }
}

#[cfg(feature = "programs")]
mod work {
    use std::collections::HashMap;
    use std::hint::black_box;
    use std::path::{Path, PathBuf};
    use std::{env, fs, process};

    use safetensors::tensor::{Dtype, TensorView};
    use safetensors::{SafeTensors, serialize};

    use crate::{Outcome, Random, Tagger};

    const TENSORS: usize = 200;
    /// The sum of the lengths below, about.
    const LONGEST: u32 = 120_000;

    pub fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let file = File::write();
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                black_box(load(&file.0));
            }
            iterations
        })
    }

    /// A file that is removed again.
    struct File(PathBuf);

    impl File {
        fn write() -> File {
            let mut random = Random::new(13);
            let values: Vec<Vec<u8>> = (0..TENSORS).map(|_| vec![1; 4 * random.between(256, LONGEST)]).collect();
            let views: HashMap<String, TensorView<'_>> = values
                .iter()
                .enumerate()
                .map(|(number, bytes)| {
                    let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).expect("four bytes each");
                    (format!("model.layers.{number}.self_attn.weight"), view)
                })
                .collect();
            let bytes = serialize(&views, None).expect("the tensors are valid");
            let path = env::temp_dir().join(format!("heapledger-bench-{}.safetensors", process::id()));
            fs::write(&path, bytes).expect("the folder for temporary files can be written");
            File(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            // Whoever cleared the folder meanwhile did no harm.
            let _ = fs::remove_file(&self.0);
        }
    }

    fn load(path: &Path) -> Vec<(String, Vec<f32>)> {
        let bytes = fs::read(path).expect("it was just written");
        let file = SafeTensors::deserialize(&bytes).expect("it was just written");
        file.iter()
            .map(|(name, tensor)| {
                let values = tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                (name.to_owned(), values)
            })
            .collect()
    }
}
