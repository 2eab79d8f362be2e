//! What was asked against what was delivered.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::Transport;

/// The service's files are a little longer than asked (6.04 s for 6): this much is as asked.
const DURATION_SLACK: f64 = 0.15;
/// The same for long clips, as a share.
const DURATION_SHARE: f64 = 0.02;
/// `480p` may be 448 lines: the codec works in blocks and the service picks the area, not the lines.
const RESOLUTION_SHARE: f64 = 0.10;
/// Rounding a side to a block moves the ratio: 848x480 is 0.6 % off 16:9.
const RATIO_SHARE: f64 = 0.03;
/// 23.976 for 24 is as asked.
const RATE_SHARE: f64 = 0.01;

/// A clip compared with its request, so that nothing is silently replaced.
///
/// Made by [`compare`](Self::compare) from values alone: who measured the clip is not its concern.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct DeliveryReport {
    /// What was asked for.
    #[serde(default)]
    pub asked: Asked,
    /// What came.
    #[serde(default)]
    pub delivered: Delivered,
    /// Every point that differs or could not be checked. Empty when all is as asked.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// For a clip that was to start on a picture: how alike its first frame and that picture are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PictureMatch>,
    /// For an extension: where the old part ends, as measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seam: Option<SeamReport>,
    /// What else the report held.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How alike two pictures are, in decibels: 100 is equal, above 40 the difference is hard to see.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PictureMatch {
    /// Signal-to-noise ratio of luma.
    pub luma_db: f64,
    /// Signal-to-noise ratio of the colour differences.
    pub colour_db: f64,
    /// Whether the sizes differed, so that both were reduced to one size first.
    pub reduced: bool,
}

/// Where an extended clip goes on from the clip it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SeamReport {
    /// When the old part ends and the new one begins.
    pub seconds: f64,
    /// How alike the old clip's last frame and the frame before the seam are.
    pub likeness: PictureMatch,
}

/// What a request asked for. `None` means it was left to the service, and is not compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Asked {
    /// Length of the whole clip. For an extension: of the source and the added part.
    #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// `480p`, `720p`, `1080p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// `16:9`, …; `auto` counts as left to the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// Frames a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Whether there is to be sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Other names of that model: a service that answers with one of them has not replaced it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_aliases: Vec<String>,
    /// How each input went to the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<InputTransport>,
}

/// How one input of a request went to the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct InputTransport {
    /// Which input: `image`, `reference 2`, `video`.
    pub input: String,
    /// How.
    pub transport: Transport,
}

/// What came, as measured in the file and told by the service. `None` means it could not be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Delivered {
    /// Length of the video.
    #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Width as shown: after rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height as shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Whether there is sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// The model the service says it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// One point in which the clip is not, or may not be, what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Finding {
    /// `duration`, `resolution`, `aspect_ratio`, `fps`, `audio`, `model`, `start`, or `verification` for a clip that
    /// failed it and was accepted all the same.
    pub field: String,
    /// What was asked, in words.
    pub asked: String,
    /// What came, in words; `unknown` if it could not be told.
    pub delivered: String,
    /// How much it matters.
    pub severity: Severity,
}

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Severity {
    /// It could not be checked: the clip was not probed, or the service did not say.
    Unchecked,
    /// It differs, and takes nothing away: longer, larger, sound that was not asked for, another
    /// frame rate.
    Minor,
    /// Something that was asked for is not there: shorter, smaller, another shape, no sound, another
    /// model.
    Major,
}

impl DeliveryReport {
    /// Compares. As asked are a length within 0.15 s or 2 %, a short side within 10 % of the named
    /// lines, a ratio within 3 %, a frame rate within 1 %, and a model by any of its names.
    pub fn compare(asked: Asked, delivered: Delivered) -> Self {
        let findings = [
            duration(&asked, &delivered),
            resolution(&asked, &delivered),
            aspect_ratio(&asked, &delivered),
            rate(&asked, &delivered),
            audio(&asked, &delivered),
            model(&asked, &delivered),
        ];
        Self {
            findings: findings.into_iter().flatten().collect(),
            asked,
            delivered,
            start: None,
            seam: None,
            extra: Map::new(),
        }
    }

    /// Adds how alike the first frame and the picture it was to start on are. Below `least_db` of luma the
    /// service may have ignored the picture, and a finding says so.
    pub fn with_start(mut self, start: PictureMatch, least_db: f64) -> Self {
        if start.luma_db < least_db {
            self.findings.push(Finding {
                field: "start".to_owned(),
                asked: "the given picture".to_owned(),
                delivered: format!(
                    "a frame that is {:.1} dB from it; the picture may have been ignored",
                    start.luma_db
                ),
                severity: Severity::Major,
            });
        }
        self.start = Some(start);
        self
    }

    /// Adds that the clip failed verification, for this reason.
    pub(crate) fn unverified(&mut self, reason: &str) {
        self.findings.push(finding(
            "verification",
            "a complete clip whose frames decode".to_owned(),
            reason.to_owned(),
            Severity::Major,
        ));
    }

    /// Whether nothing differs. What could not be checked does not count.
    pub fn is_as_asked(&self) -> bool {
        self.worst().is_none_or(|worst| worst == Severity::Unchecked)
    }

    /// The gravest finding, if there is any.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

fn finding(field: &str, asked: String, delivered: String, severity: Severity) -> Finding {
    Finding {
        field: field.to_owned(),
        asked,
        delivered,
        severity,
    }
}

fn unchecked(field: &str, asked: String) -> Finding {
    finding(field, asked, "unknown".to_owned(), Severity::Unchecked)
}

fn duration(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let asked = asked.duration?.as_secs_f64();
    let words = |seconds: f64| format!("{} s", rounded(seconds));
    let Some(came) = delivered.duration else {
        return Some(unchecked("duration", words(asked)));
    };
    let came = came.as_secs_f64();
    if (came - asked).abs() <= DURATION_SLACK.max(asked * DURATION_SHARE) + 1e-9 {
        return None;
    }
    let severity = if came < asked {
        Severity::Major
    } else {
        Severity::Minor
    };
    Some(finding("duration", words(asked), words(came), severity))
}

fn resolution(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let asked = asked.resolution.as_ref()?;
    let lines = asked
        .strip_suffix('p')
        .and_then(|lines| lines.parse::<u16>().ok());
    let (Some(lines), Some((width, height))) = (lines, size(delivered)) else {
        return Some(unchecked("resolution", asked.clone()));
    };
    let lines = f64::from(lines);
    let short = f64::from(width.min(height));
    if (short - lines).abs() <= lines * RESOLUTION_SHARE {
        return None;
    }
    let severity = if short < lines {
        Severity::Major
    } else {
        Severity::Minor
    };
    Some(finding(
        "resolution",
        asked.clone(),
        format!("{width}x{height}"),
        severity,
    ))
}

fn aspect_ratio(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let asked = asked.aspect_ratio.as_ref().filter(|ratio| *ratio != "auto")?;
    let sides = asked.split_once(':').and_then(|(width, height)| {
        Some((
            width.trim().parse::<f64>().ok()?,
            height.trim().parse::<f64>().ok()?,
        ))
    });
    let sides = sides.filter(|(width, height)| *width > 0.0 && *height > 0.0);
    let (Some((asked_width, asked_height)), Some((width, height))) = (sides, size(delivered)) else {
        return Some(unchecked("aspect_ratio", asked.clone()));
    };
    let ratio = (f64::from(width) / f64::from(height)) / (asked_width / asked_height);
    if (ratio - 1.0).abs() <= RATIO_SHARE {
        return None;
    }
    Some(finding(
        "aspect_ratio",
        asked.clone(),
        format!("{width}x{height}"),
        Severity::Major,
    ))
}

fn rate(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let asked = asked.fps?;
    let Some(came) = delivered.fps else {
        return Some(unchecked("fps", rounded(asked)));
    };
    if (came - asked).abs() <= asked * RATE_SHARE {
        return None;
    }
    Some(finding("fps", rounded(asked), rounded(came), Severity::Minor))
}

fn audio(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let asked = asked.audio?;
    let words = |sound: bool| if sound { "sound" } else { "no sound" }.to_owned();
    match delivered.audio {
        None => Some(unchecked("audio", words(asked))),
        Some(came) if came == asked => None,
        Some(came) => {
            let severity = if asked { Severity::Major } else { Severity::Minor };
            Some(finding("audio", words(asked), words(came), severity))
        }
    }
}

fn model(asked: &Asked, delivered: &Delivered) -> Option<Finding> {
    let name = asked.model.as_ref()?;
    match &delivered.model {
        None => Some(unchecked("model", name.clone())),
        Some(came) if came == name || asked.model_aliases.contains(came) => None,
        Some(came) => Some(finding("model", name.clone(), came.clone(), Severity::Major)),
    }
}

fn size(delivered: &Delivered) -> Option<(u32, u32)> {
    Some((delivered.width?, delivered.height?)).filter(|(width, height)| *width > 0 && *height > 0)
}

/// At most two decimals, none that say nothing: 6, 6.04, 23.98.
fn rounded(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
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

    #[expect(clippy::unnecessary_wraps, reason = "every field it fills is an option")]
    fn secs(seconds: f64) -> Option<Duration> {
        Some(Duration::from_secs_f64(seconds))
    }

    fn asked() -> Asked {
        Asked {
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
    fn what_the_service_really_delivers_is_as_asked() {
        let report = DeliveryReport::compare(asked(), delivered());
        assert_eq!(report.findings, []);
        assert!(report.is_as_asked());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["asked"]["duration"], 6.0);
        assert_eq!(json["asked"]["transports"][0]["transport"], "inline");
        assert_eq!(serde_json::from_value::<DeliveryReport>(json).unwrap(), report);
    }

    #[test]
    fn every_difference_is_found() {
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
            let mut came = delivered();
            change(&mut came);
            let report = DeliveryReport::compare(asked(), came);
            assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
            assert_eq!(
                (report.findings[0].field.as_str(), report.worst()),
                (field, Some(severity))
            );
            assert_eq!(report.is_as_asked(), severity == Severity::Unchecked);
        }
    }

    #[test]
    fn tolerances_end_where_they_say() {
        let length = |asked: f64, came: f64| {
            let asked = Asked {
                duration: secs(asked),
                ..Asked::default()
            };
            DeliveryReport::compare(
                asked,
                Delivered {
                    duration: secs(came),
                    ..Delivered::default()
                },
            )
            .is_as_asked()
        };
        assert!(length(6.0, 6.15) && length(6.0, 5.85) && !length(6.0, 6.16));
        assert!(length(15.0, 15.3) && !length(15.0, 15.31));
    }

    #[test]
    fn what_was_left_to_the_service_is_not_compared() {
        let asked = Asked {
            aspect_ratio: Some("auto".to_owned()),
            ..Asked::default()
        };
        assert_eq!(DeliveryReport::compare(asked, delivered()).findings, []);
    }

    #[test]
    fn words_nobody_knows_are_unchecked() {
        for (resolution, ratio) in [("4k", "wide"), ("p", "0:0"), ("", ":")] {
            let asked = Asked {
                resolution: Some(resolution.to_owned()),
                aspect_ratio: Some(ratio.to_owned()),
                ..Asked::default()
            };
            let report = DeliveryReport::compare(asked, delivered());
            assert_eq!(report.worst(), Some(Severity::Unchecked));
            assert_eq!(report.findings.len(), 2);
        }
    }
}
