//! What a job costs, in ticks of 1e-10 USD.
//!
//! Owns the sandbox's own copy of the service's price list (October 2026). Integers only.

use super::rules::{Model, Resolution};

/// Ticks in one cent.
const CENT: u64 = 100_000_000;

/// What was used for a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) output_millis: u64,
    pub(super) input_images: u64,
    pub(super) input_video_millis: u64,
}

/// The charge for a job.
pub(super) fn ticks(model: Model, resolution: Resolution, usage: Usage) -> u64 {
    let output = per_second(model, resolution) * usage.output_millis / 1000;
    let images = per_image(model) * usage.input_images;
    let video = CENT * usage.input_video_millis / 1000;
    output + images + video
}

fn per_second(model: Model, resolution: Resolution) -> u64 {
    let [p480, p720, p1080] = match model {
        // 1080p is refused for this model; the figure is never used.
        Model::Classic => [5, 7, 7],
        Model::OneFive => [8, 14, 25],
        Model::Lite => [2, 3, 14],
    };
    let cents = match resolution {
        Resolution::P480 => p480,
        Resolution::P720 => p720,
        Resolution::P1080 => p1080,
    };
    cents * CENT
}

fn per_image(model: Model) -> u64 {
    match model {
        Model::Classic => CENT / 5,
        Model::OneFive | Model::Lite => CENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_seconds_of_720p_cost_what_the_contract_says() {
        let usage = Usage {
            output_millis: 8000,
            ..Usage::default()
        };
        assert_eq!(ticks(Model::Classic, Resolution::P720, usage), 5_600_000_000);
    }

    #[test]
    fn pictures_and_given_seconds_are_charged_too() {
        let usage = Usage {
            output_millis: 6000,
            input_images: 2,
            input_video_millis: 4000,
        };
        assert_eq!(
            ticks(Model::Classic, Resolution::P480, usage),
            3_000_000_000 + 40_000_000 + 400_000_000
        );
    }
}
