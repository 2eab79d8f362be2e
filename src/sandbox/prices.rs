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
    let cents = match (model, resolution) {
        (Model::Classic, Resolution::P480) => 5,
        (Model::Classic, _) => 7,
        (Model::OneFive, Resolution::P480) => 8,
        (Model::OneFive, Resolution::P720) => 14,
        (Model::OneFive, Resolution::P1080) => 25,
        (Model::Lite, Resolution::P480) => 2,
        (Model::Lite, Resolution::P720) => 3,
        (Model::Lite, Resolution::P1080) => 14,
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
