//! The price of a video job, in ticks of 1e-10 USD.
//!
//! Contains the sandbox's copy of the service's price list (October 2026). Calculates with integers only.

use super::video_model::{Resolution, VideoModel};

/// Ticks in one cent.
const CENT: u64 = 100_000_000;

/// The quantities that a job is charged for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct VideoUsage {
    pub(crate) output_millis: u64,
    pub(crate) input_images: u64,
    pub(crate) input_video_millis: u64,
}

/// Returns the charge for a job.
pub(crate) fn price_ticks(model: VideoModel, resolution: Resolution, usage: VideoUsage) -> u64 {
    let output = ticks_per_second(model, resolution) * usage.output_millis / 1000;
    let images = ticks_per_image(model) * usage.input_images;
    let video = CENT * usage.input_video_millis / 1000;
    output + images + video
}

fn ticks_per_second(model: VideoModel, resolution: Resolution) -> u64 {
    let [p480, p720, p1080] = match model {
        // 1080p is refused for this model, so its price is never used.
        VideoModel::Classic => [5, 7, 7],
        VideoModel::OneFive => [8, 14, 25],
        VideoModel::Lite => [2, 3, 14],
    };
    let cents = match resolution {
        Resolution::P480 => p480,
        Resolution::P720 => p720,
        Resolution::P1080 => p1080,
    };
    cents * CENT
}

fn ticks_per_image(model: VideoModel) -> u64 {
    match model {
        VideoModel::Classic => CENT / 5,
        VideoModel::OneFive | VideoModel::Lite => CENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_seconds_of_720p_cost_what_the_contract_says() {
        let usage = VideoUsage {
            output_millis: 8000,
            ..VideoUsage::default()
        };
        assert_eq!(
            price_ticks(VideoModel::Classic, Resolution::P720, usage),
            5_600_000_000
        );
    }

    #[test]
    fn input_images_and_input_video_are_charged_too() {
        let usage = VideoUsage {
            output_millis: 6000,
            input_images: 2,
            input_video_millis: 4000,
        };
        assert_eq!(
            price_ticks(VideoModel::Classic, Resolution::P480, usage),
            3_000_000_000 + 40_000_000 + 400_000_000
        );
    }
}
