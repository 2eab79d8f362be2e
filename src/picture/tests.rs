#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;

/// Returns noise on a gradient, so that all blocks have different coefficients.
fn pixels(width: u16, height: u16) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut out = Vec::new();
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            for channel in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                out.extend(u8::try_from((x * 3 + y * 2 + channel * 40 + (state >> 27)) % 256));
            }
        }
    }
    out
}

fn jpeg(width: u16, height: u16, set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    set(&mut encoder);
    let encoded = encoder.encode(&pixels(width, height), width, height, ColorType::Rgb);
    encoded.unwrap();
    out
}

/// Returns the same picture in every form that the encoder supports.
fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("baseline", jpeg(150, 90, |_| {})),
        ("tiny", jpeg(1, 1, |_| {})),
        (
            "halved colors",
            jpeg(150, 90, |encoder| {
                encoder.set_sampling_factor(SamplingFactor::F_2_2);
            }),
        ),
        (
            "uneven colors",
            jpeg(151, 91, |encoder| {
                encoder.set_sampling_factor(SamplingFactor::F_4_1);
            }),
        ),
        (
            "restarts",
            jpeg(150, 90, |encoder| encoder.set_restart_interval(3)),
        ),
        (
            "own tables",
            jpeg(150, 90, |encoder| encoder.set_optimized_huffman_tables(true)),
        ),
        (
            "progressive",
            jpeg(150, 90, |encoder| encoder.set_progressive(true)),
        ),
        (
            "progressive, halved colors",
            jpeg(151, 91, |encoder| {
                encoder.set_progressive(true);
                encoder.set_sampling_factor(SamplingFactor::F_2_2);
            }),
        ),
        (
            "progressive, restarts",
            jpeg(150, 90, |encoder| {
                encoder.set_progressive(true);
                encoder.set_restart_interval(2);
            }),
        ),
    ]
}

/// Returns the start and end of the coded data of the first scan.
fn first_scan(bytes: &[u8]) -> (usize, usize) {
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let start = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    let marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7);
    let length = bytes[start..].windows(2).position(marker).unwrap();
    (start, start + length)
}

#[test]
fn complete_pictures_pass() {
    for (name, bytes) in jpegs() {
        let kind = PictureKind::detect(&bytes).unwrap();
        assert_eq!(kind, PictureKind::Jpeg);
        kind.check_whole(&bytes)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let after = [&bytes[..], b"more, as phones write it"].concat();
        kind.check_whole(&after)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn half_of_the_coded_data_is_not_a_picture() {
    for (name, bytes) in jpegs().into_iter().filter(|(name, _)| *name != "tiny") {
        let (start, end) = first_scan(&bytes);
        for keep in [0, (end - start) / 2, (end - start) * 9 / 10] {
            // Keeps everything after the scan, including the end marker: only blocks are missing.
            let cut = [&bytes[..start + keep], &bytes[end..]].concat();
            let why = PictureKind::Jpeg.check_whole(&cut).expect_err(name);
            assert!(
                why.starts_with("cut off") || why.starts_with("damaged"),
                "{name}: {why}"
            );
        }
    }
    let bytes = jpeg(150, 90, |_| {});
    let (start, end) = first_scan(&bytes);
    let cut = [&bytes[..start + (end - start) / 2], &[0xff, 0xd9]].concat();
    let why = PictureKind::Jpeg.check_whole(&cut).unwrap_err();
    assert!(why.starts_with("cut off: scan 1 has data for "), "{why}");
}

#[test]
fn truncated_pictures_fail() {
    for (name, bytes) in jpegs() {
        for end in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
            let cut = &bytes[..end];
            assert!(PictureKind::Jpeg.check_whole(cut).is_err(), "{name}: {end} bytes");
        }
    }
}

#[test]
fn fill_bytes_may_precede_any_marker() {
    for (name, bytes) in jpegs() {
        let (start, end) = first_scan(&bytes);
        let table = bytes.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap();
        let filled = [
            &bytes[..table],
            &[0xff, 0xff, 0xff],
            &bytes[table..end],
            &[0xff],
            &bytes[end..bytes.len() - 2],
            &[0xff; 9],
            &bytes[bytes.len() - 2..],
        ]
        .concat();
        assert!(start > table);
        assert_eq!(
            PictureKind::Jpeg.read_size(&filled),
            PictureKind::Jpeg.read_size(&bytes),
            "{name}"
        );
        PictureKind::Jpeg
            .check_whole(&filled)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn damage_never_panics() {
    for (_, bytes) in jpegs() {
        let mut state = 7_u32;
        for _ in 0..400 {
            let mut bytes = bytes.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % bytes.len();
                bytes[at] ^= (state >> 24) as u8;
            }
            let _ = PictureKind::Jpeg.read_size(&bytes);
            let _ = PictureKind::Jpeg.check_whole(&bytes);
        }
    }
}

fn png_picture() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 60, 40);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels(60, 40)).unwrap();
    writer.finish().unwrap();
    out
}

#[test]
fn a_png_needs_all_chunks_with_valid_checksums() {
    let bytes = png_picture();
    let kind = PictureKind::detect(&bytes).unwrap();
    assert_eq!((kind, kind.read_size(&bytes)), (PictureKind::Png, Some((60, 40))));
    kind.check_whole(&bytes).unwrap();
    for end in 8..bytes.len() {
        assert!(kind.check_whole(&bytes[..end]).is_err(), "{end} bytes");
    }
    let data = bytes.windows(4).position(|name| name == b"IDAT").unwrap();
    let mut damaged = bytes.clone();
    damaged[data + 100] ^= 1;
    let why = kind.check_whole(&damaged).unwrap_err();
    assert!(why.contains("checksum of its chunk \"IDAT\""), "{why}");
}

#[test]
fn a_webp_needs_as_many_bytes_as_its_header_declares() {
    let mut bytes = Vec::new();
    image_webp::WebPEncoder::new(&mut bytes)
        .encode(&pixels(60, 40), 60, 40, image_webp::ColorType::Rgb8)
        .unwrap();
    let kind = PictureKind::detect(&bytes).unwrap();
    assert_eq!(
        (kind, kind.read_size(&bytes)),
        (PictureKind::WebP, Some((60, 40)))
    );
    kind.check_whole(&bytes).unwrap();
    for end in 12..bytes.len() {
        assert!(kind.check_whole(&bytes[..end]).is_err(), "{end} bytes");
    }
    // Adjusting the length in the header does not make the rest valid.
    let half = bytes.len() / 2;
    let mut cut = bytes[..half].to_vec();
    cut[4..8].copy_from_slice(&u32::try_from(half - 8).unwrap().to_le_bytes());
    assert!(
        kind.check_whole(&cut)
            .unwrap_err()
            .contains("chunk \"VP8L\" ends too early")
    );
    // A lossy picture whose first partition is longer than its chunk.
    let mut lossy = b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0".to_vec();
    lossy.extend([0x10, 2, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0]);
    assert!(
        kind.check_whole(&lossy)
            .unwrap_err()
            .contains("picture data ends too early")
    );
}
