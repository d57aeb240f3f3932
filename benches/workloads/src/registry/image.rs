//! `image`: thumbnails, as an upload service makes them.

#[cfg(not(feature = "programs"))]
use crate::workload::not_built;
use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![Image];

/// A picture of 1,200 x 900 decoded from PNG, scaled down and encoded as JPEG.
pub struct Image;

impl Workload for Image {
    const INFO: Info = Info {
        id: "image",
        about: "image: PNG of 1200x900 decoded, scaled to 300x225, encoded as JPEG",
        operation: "picture",
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
    use std::hint::black_box;
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

    use crate::{Outcome, Random, Tagger};

    const WIDTH: u32 = 1_200;
    const HEIGHT: u32 = 900;
    const SMALLER: u32 = 4;

    pub fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let upload = picture();
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                black_box(thumbnail(&upload).expect("the picture is valid"));
            }
            iterations
        })
    }

    fn thumbnail(upload: &[u8]) -> image::ImageResult<Vec<u8>> {
        let picture = image::load_from_memory_with_format(upload, ImageFormat::Png)?;
        let small = picture.thumbnail(WIDTH / SMALLER, HEIGHT / SMALLER);
        let mut bytes = Vec::new();
        small.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg)?;
        Ok(bytes)
    }

    /// A gradient with noise, so that it compresses as a photograph does: badly.
    fn picture() -> Vec<u8> {
        let mut random = Random::new(15);
        let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let noise = random.below(32) as u8;
            Rgb([(x / 6) as u8 ^ noise, (y / 4) as u8, ((x + y) / 9) as u8 ^ noise])
        });
        let mut bytes = Vec::new();
        let written = DynamicImage::from(picture).write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png);
        written.expect("writing to memory cannot fail");
        bytes
    }
}
