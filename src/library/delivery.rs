//! The delivery report: a comparison of a clip with its request. Does not measure the clip.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::Transport;
use crate::similarity::{PictureMatch, SeamReport};

/// Tolerance in seconds. The service's files are slightly longer than requested: 6.04 s instead of 6.
const DURATION_TOLERANCE: f64 = 0.15;
/// Relative tolerance. It is the larger of the two for clips longer than 7.5 s.
const RELATIVE_DURATION_TOLERANCE: f64 = 0.02;
/// Relative tolerance. `480p` may be 448 lines: the codec works in blocks, and the service chooses the area of a frame,
/// not its height.
const RESOLUTION_TOLERANCE: f64 = 0.10;
/// Relative tolerance. Rounding a side to a block changes the ratio: 848x480 differs from 16:9 by 0.6 %.
const ASPECT_RATIO_TOLERANCE: f64 = 0.03;
/// Relative tolerance, so that 23.976 matches 24.
const FPS_TOLERANCE: f64 = 0.01;

/// The differences between a clip and its request, so that nothing is silently replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct DeliveryReport {
    /// The properties that were requested.
    #[serde(default, rename = "asked")]
    pub requested: RequestedProperties,
    /// The properties of the delivered clip.
    #[serde(default)]
    pub delivered: Delivered,
    /// The properties that differ or could not be checked. Empty if the clip matches the request.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The similarity between the first frame and the image that the clip was requested to start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PictureMatch>,
    /// For an extension, the measured position where the source clip ends and the added part begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seam: Option<SeamReport>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The properties that a request specified. `None` means that the service chose, and the property is not compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct RequestedProperties {
    /// The duration of the whole clip. For an extension, that of the source clip plus the added part.
    #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// `480p`, `720p`, `1080p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// `16:9`, …; `auto` means that the service chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Whether sound was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// The requested model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Other names of the requested model. A clip by a model with one of these names matches the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_aliases: Vec<String>,
    /// How each input was sent to the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<InputTransport>,
}

/// How one input of a request was sent to the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct InputTransport {
    /// The input: `image`, `reference 2`, `video`.
    pub input: String,
    /// How the service received it.
    pub transport: Transport,
}

/// The properties of a delivered clip, measured in the file or reported by the service. `None` means unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Delivered {
    /// The duration of the video.
    #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// The width in pixels, after rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The height in pixels, after rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Whether the clip has sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// The model that the service reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A property of a clip that differs from the request or could not be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Finding {
    /// `duration`, `resolution`, `aspect_ratio`, `fps`, `audio`, `model` or `start`. For a clip that failed
    /// verification and was accepted anyway, `verification`.
    pub field: String,
    /// The requested value, as text.
    #[serde(rename = "asked")]
    pub requested: String,
    /// The delivered value, as text, or `unknown`.
    pub delivered: String,
    /// The severity of the difference.
    pub severity: Severity,
}

/// The severity of a [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Severity {
    /// The property could not be checked: the clip was not probed, or the service did not report it.
    Unchecked,
    /// The clip differs, but nothing that was requested is missing: it is longer or larger, has unrequested sound, or
    /// has another frame rate.
    Minor,
    /// The clip lacks something that was requested: it is shorter or smaller, has another aspect ratio, has no sound,
    /// or was made by another model.
    Major,
}

impl DeliveryReport {
    /// Compares a clip with its request.
    ///
    /// These match: a duration within 0.15 s or 2 %, a shorter side within 10 % of the requested number of lines, an
    /// aspect ratio within 3 %, a frame rate within 1 %, and a model with any of its names.
    pub fn compare(requested: RequestedProperties, delivered: Delivered) -> Self {
        let findings = [
            duration(&requested, &delivered),
            resolution(&requested, &delivered),
            aspect_ratio(&requested, &delivered),
            fps(&requested, &delivered),
            audio(&requested, &delivered),
            model(&requested, &delivered),
        ];
        Self {
            findings: findings.into_iter().flatten().collect(),
            requested,
            delivered,
            start: None,
            seam: None,
            extra: Map::new(),
        }
    }

    /// Adds the similarity between the first frame and the image that the clip was requested to start with.
    ///
    /// If its luma is below `min_db`, the service may have ignored the image, and the report gets a finding.
    pub fn with_start(mut self, start: PictureMatch, min_db: f64) -> Self {
        if start.luma_db < min_db {
            self.findings.push(Finding {
                field: "start".to_owned(),
                requested: "the given image".to_owned(),
                delivered: format!(
                    "a frame with a similarity of {:.1} dB; the image may have been ignored",
                    start.luma_db
                ),
                severity: Severity::Major,
            });
        }
        self.start = Some(start);
        self
    }

    /// Adds a finding that the clip failed verification for this reason.
    pub(crate) fn unverified(&mut self, reason: &str) {
        self.findings.push(finding(
            "verification",
            "a complete clip whose frames decode".to_owned(),
            reason.to_owned(),
            Severity::Major,
        ));
    }

    /// Returns whether the clip matches the request. Properties that could not be checked are ignored.
    pub fn is_as_requested(&self) -> bool {
        self.worst().is_none_or(|worst| worst == Severity::Unchecked)
    }

    /// Returns the highest severity of all findings, or `None` if there are none.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

fn finding(field: &str, requested: String, delivered: String, severity: Severity) -> Finding {
    Finding {
        field: field.to_owned(),
        requested,
        delivered,
        severity,
    }
}

fn unchecked(field: &str, requested: String) -> Finding {
    finding(field, requested, "unknown".to_owned(), Severity::Unchecked)
}

fn duration(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let requested = requested.duration?.as_secs_f64();
    let format = |seconds: f64| format!("{} s", round_to_text(seconds));
    let Some(actual) = delivered.duration else {
        return Some(unchecked("duration", format(requested)));
    };
    let actual = actual.as_secs_f64();
    if (actual - requested).abs() <= DURATION_TOLERANCE.max(requested * RELATIVE_DURATION_TOLERANCE) + 1e-9 {
        return None;
    }
    let severity = if actual < requested {
        Severity::Major
    } else {
        Severity::Minor
    };
    Some(finding("duration", format(requested), format(actual), severity))
}

fn resolution(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let requested = requested.resolution.as_ref()?;
    let lines = requested
        .strip_suffix('p')
        .and_then(|lines| lines.parse::<u16>().ok());
    let (Some(lines), Some((width, height))) = (lines, size(delivered)) else {
        return Some(unchecked("resolution", requested.clone()));
    };
    let lines = f64::from(lines);
    let shorter_side = f64::from(width.min(height));
    if (shorter_side - lines).abs() <= lines * RESOLUTION_TOLERANCE {
        return None;
    }
    let severity = if shorter_side < lines {
        Severity::Major
    } else {
        Severity::Minor
    };
    Some(finding(
        "resolution",
        requested.clone(),
        format!("{width}x{height}"),
        severity,
    ))
}

fn aspect_ratio(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let requested = requested.aspect_ratio.as_ref().filter(|ratio| *ratio != "auto")?;
    let sides = requested.split_once(':').and_then(|(width, height)| {
        Some((
            width.trim().parse::<f64>().ok()?,
            height.trim().parse::<f64>().ok()?,
        ))
    });
    let sides = sides.filter(|(width, height)| *width > 0.0 && *height > 0.0);
    let (Some((requested_width, requested_height)), Some((width, height))) = (sides, size(delivered)) else {
        return Some(unchecked("aspect_ratio", requested.clone()));
    };
    let ratio = (f64::from(width) / f64::from(height)) / (requested_width / requested_height);
    if (ratio - 1.0).abs() <= ASPECT_RATIO_TOLERANCE {
        return None;
    }
    Some(finding(
        "aspect_ratio",
        requested.clone(),
        format!("{width}x{height}"),
        Severity::Major,
    ))
}

fn fps(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let requested = requested.fps?;
    let Some(actual) = delivered.fps else {
        return Some(unchecked("fps", round_to_text(requested)));
    };
    if (actual - requested).abs() <= requested * FPS_TOLERANCE {
        return None;
    }
    Some(finding(
        "fps",
        round_to_text(requested),
        round_to_text(actual),
        Severity::Minor,
    ))
}

fn audio(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let requested = requested.audio?;
    let format = |sound: bool| if sound { "sound" } else { "no sound" }.to_owned();
    match delivered.audio {
        None => Some(unchecked("audio", format(requested))),
        Some(actual) if actual == requested => None,
        Some(actual) => {
            let severity = if requested {
                Severity::Major
            } else {
                Severity::Minor
            };
            Some(finding("audio", format(requested), format(actual), severity))
        }
    }
}

fn model(requested: &RequestedProperties, delivered: &Delivered) -> Option<Finding> {
    let name = requested.model.as_ref()?;
    match &delivered.model {
        None => Some(unchecked("model", name.clone())),
        Some(actual) if actual == name || requested.model_aliases.contains(actual) => None,
        Some(actual) => Some(finding("model", name.clone(), actual.clone(), Severity::Major)),
    }
}

fn size(delivered: &Delivered) -> Option<(u32, u32)> {
    Some((delivered.width?, delivered.height?)).filter(|(width, height)| *width > 0 && *height > 0)
}

/// Formats a number with at most two decimals and no trailing zeros: 6, 6.04, 23.98.
fn round_to_text(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Serializes a duration as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_f64(duration.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "all fields that are set with it are options"
    )]
    fn secs(seconds: f64) -> Option<Duration> {
        Some(Duration::from_secs_f64(seconds))
    }

    fn requested() -> RequestedProperties {
        RequestedProperties {
            duration: secs(6.0),
            resolution: Some("480p".to_owned()),
            aspect_ratio: Some("2:3".to_owned()),
            fps: Some(24.0),
            audio: Some(true),
            model: Some("grok-imagine-video".to_owned()),
            model_aliases: vec!["grok-imagine-video-1.0".to_owned()],
            transports: vec![InputTransport {
                input: "image".to_owned(),
                transport: Transport::Inline,
            }],
        }
    }

    fn delivered() -> Delivered {
        Delivered {
            duration: secs(6.041_667),
            width: Some(448),
            height: Some(672),
            fps: Some(23.976),
            audio: Some(true),
            model: Some("grok-imagine-video-1.0".to_owned()),
        }
    }

    #[test]
    fn a_real_clip_of_the_service_matches_its_request() {
        let report = DeliveryReport::compare(requested(), delivered());
        assert_eq!(report.findings, []);
        assert!(report.is_as_requested());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["asked"]["duration"], 6.0);
        assert_eq!(json["asked"]["transports"][0]["transport"], "inline");
        assert_eq!(serde_json::from_value::<DeliveryReport>(json).unwrap(), report);
    }

    #[test]
    fn every_difference_becomes_a_finding() {
        type Change = fn(&mut Delivered);
        let table: [(&str, Change, Severity); 10] = [
            ("duration", |d| d.duration = secs(5.0), Severity::Major),
            ("duration", |d| d.duration = secs(6.2), Severity::Minor),
            (
                "resolution",
                |d| (d.width, d.height) = (Some(240), Some(360)),
                Severity::Major,
            ),
            (
                "resolution",
                |d| (d.width, d.height) = (Some(720), Some(1080)),
                Severity::Minor,
            ),
            (
                "aspect_ratio",
                |d| (d.width, d.height) = (Some(848), Some(480)),
                Severity::Major,
            ),
            ("fps", |d| d.fps = Some(30.0), Severity::Minor),
            ("audio", |d| d.audio = Some(false), Severity::Major),
            (
                "model",
                |d| d.model = Some("grok-imagine-video-1.5".to_owned()),
                Severity::Major,
            ),
            ("model", |d| d.model = None, Severity::Unchecked),
            ("duration", |d| d.duration = None, Severity::Unchecked),
        ];
        for (field, change, severity) in table {
            let mut clip = delivered();
            change(&mut clip);
            let report = DeliveryReport::compare(requested(), clip);
            assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
            assert_eq!(
                (report.findings[0].field.as_str(), report.worst()),
                (field, Some(severity))
            );
            assert_eq!(report.is_as_requested(), severity == Severity::Unchecked);
        }
    }

    #[test]
    fn a_duration_matches_up_to_the_tolerance() {
        let matches = |requested: f64, actual: f64| {
            let requested = RequestedProperties {
                duration: secs(requested),
                ..RequestedProperties::default()
            };
            DeliveryReport::compare(
                requested,
                Delivered {
                    duration: secs(actual),
                    ..Delivered::default()
                },
            )
            .is_as_requested()
        };
        assert!(matches(6.0, 6.15) && matches(6.0, 5.85) && !matches(6.0, 6.16));
        assert!(matches(15.0, 15.3) && !matches(15.0, 15.31));
    }

    #[test]
    fn an_unspecified_property_is_not_compared() {
        let requested = RequestedProperties {
            aspect_ratio: Some("auto".to_owned()),
            ..RequestedProperties::default()
        };
        assert_eq!(DeliveryReport::compare(requested, delivered()).findings, []);
    }

    #[test]
    fn an_unknown_value_is_unchecked() {
        for (resolution, ratio) in [("4k", "wide"), ("p", "0:0"), ("", ":")] {
            let requested = RequestedProperties {
                resolution: Some(resolution.to_owned()),
                aspect_ratio: Some(ratio.to_owned()),
                ..RequestedProperties::default()
            };
            let report = DeliveryReport::compare(requested, delivered());
            assert_eq!(report.worst(), Some(Severity::Unchecked));
            assert_eq!(report.findings.len(), 2);
        }
    }
}
