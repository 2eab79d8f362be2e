//! Width and height of the clips that the service makes.

use super::video_body::WireAspectRatio;
use super::video_model::Resolution;

/// Returns the size of a clip with this aspect ratio.
pub(crate) fn size_for(ratio: WireAspectRatio, resolution: Resolution) -> (usize, usize) {
    let (long, short) = match ratio {
        WireAspectRatio::Wide | WireAspectRatio::Tall => [(848, 480), (1280, 720), (1920, 1080)],
        WireAspectRatio::Square => [(560, 560), (960, 960), (1440, 1440)],
        WireAspectRatio::FourThree | WireAspectRatio::ThreeFour => [(640, 480), (1088, 816), (1664, 1248)],
        // The service has returned 672x448 and 1168x768.
        WireAspectRatio::ThreeTwo | WireAspectRatio::TwoThree => [(672, 448), (1168, 768), (1728, 1152)],
        WireAspectRatio::Cinema => [(840, 360), (1456, 624), (2184, 936)],
        WireAspectRatio::Banner => [(880, 352), (1520, 608), (2280, 912)],
    }[resolution as usize];
    match ratio {
        WireAspectRatio::Tall | WireAspectRatio::ThreeFour | WireAspectRatio::TwoThree => (short, long),
        _ => (long, short),
    }
}

/// Returns the size of a clip that starts with a picture: the picture's own size if it has about as many pixels as the
/// resolution, otherwise the nearest size with the picture's shape.
pub(crate) fn size_following(width: usize, height: usize, resolution: Resolution) -> (usize, usize) {
    let pixels = [307_200, 921_600, 2_073_600][resolution as usize];
    let area = width * height;
    let even = width.is_multiple_of(2) && height.is_multiple_of(2);
    let is_moderate = width.max(height) <= width.min(height) * 4;
    if even && is_moderate && (pixels * 7 / 10..=pixels * 14 / 10).contains(&area) {
        return (width, height);
    }
    let ratios = [
        WireAspectRatio::Square,
        WireAspectRatio::Wide,
        WireAspectRatio::Tall,
        WireAspectRatio::FourThree,
        WireAspectRatio::ThreeFour,
        WireAspectRatio::ThreeTwo,
        WireAspectRatio::TwoThree,
        WireAspectRatio::Cinema,
        WireAspectRatio::Banner,
    ];
    let shape = (width.max(1) as f64 / height.max(1) as f64).clamp(0.25, 4.0);
    for ratio in ratios {
        let (w, h) = size_for(ratio, resolution);
        if (w as f64 / h as f64 / shape - 1.0).abs() < 0.02 {
            return (w, h);
        }
    }
    let long = (pixels as f64 * shape).sqrt();
    (
        ((long / 16.0) as usize).max(4) * 16,
        ((long / shape / 16.0) as usize).max(4) * 16,
    )
}

/// Returns the size and price class of a clip that is made from another: the size of the input, even, at most 720p.
pub(crate) fn size_from_clip(width: usize, height: usize) -> (usize, usize, Resolution) {
    let (short, long) = (width.min(height), width.max(height));
    let shrink = (720.0 / short as f64).min(1520.0 / long as f64).min(1.0);
    let even = |side: usize| ((side as f64 * shrink).round() as usize).max(16) & !1;
    let (width, height) = (even(width), even(height));
    // The largest 480p clip has about 407,000 pixels, the smallest 720p clip more than 880,000.
    let class = if width * height <= 500_000 {
        Resolution::P480
    } else {
        Resolution::P720
    };
    (width, height, class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_a_clip_size_keeps_its_size() {
        for resolution in [Resolution::P480, Resolution::P720, Resolution::P1080] {
            for ratio in [
                WireAspectRatio::Wide,
                WireAspectRatio::Square,
                WireAspectRatio::TwoThree,
                WireAspectRatio::Banner,
            ] {
                let (w, h) = size_for(ratio, resolution);
                assert_eq!(size_following(w, h, resolution), (w, h));
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_gives_its_shape() {
        assert_eq!(size_following(4000, 2250, Resolution::P720), (1280, 720));
        assert_eq!(size_following(333, 333, Resolution::P480), (560, 560));
        let (w, h) = size_following(1000, 3000, Resolution::P720);
        assert!(w.is_multiple_of(2) && h.is_multiple_of(2) && h > w * 2, "{w}x{h}");
    }
}
