//! Truncated pictures are refused before anything is paid. Unusual but valid pictures are accepted.

#![cfg(feature = "cli")]

use reelkin::media::{self, Frame, MediaOptions};
use reelkin::{ErrorKind, GenerateRequest, MediaInput, secs};

use crate::support::bench::Bench;

fn frame() -> Frame {
    let pixel = |at: usize| ((at * 7 + at / 91 * 13 + (at % 5) * 40) % 256) as u8;
    Frame::from_rgb(96, 64, (0..96 * 64 * 3).map(pixel).collect()).unwrap()
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap()
}

/// Returns a JPEG without the second half of its coded data, but with its end marker.
fn half_of_a_jpeg() -> Vec<u8> {
    let mut jpeg = frame().to_jpeg(90).unwrap();
    let start = find(&jpeg, &[0xff, 0xda]);
    let end = jpeg.len() - 2;
    jpeg.drain(start + (end - start) / 2..end);
    assert!(jpeg.ends_with(&[0xff, 0xd9]));
    jpeg
}

/// Returns a JPEG with fill bytes before each marker that allows them.
fn filled_jpeg() -> Vec<u8> {
    let jpeg = frame().to_jpeg(90).unwrap();
    let mut filled = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        filled.extend([0xff; 3]);
        filled.extend(&jpeg[at..at + length]);
        at += length;
    }
    filled.push(0xff);
    filled.extend(&jpeg[at..jpeg.len() - 2]);
    filled.extend([0xff, 0xff, 0xff, 0xd9]);
    filled
}

fn starting_on(picture: Vec<u8>) -> GenerateRequest {
    GenerateRequest::image(MediaInput::bytes("start", picture))
        .prompt("it moves")
        .duration(secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncated_pictures_are_refused_before_anything_is_paid() {
    let bench = Bench::start(&[]).await;
    let png = frame().to_png().unwrap();
    let data = find(&png, b"IDAT");
    // Whole chunks, and half of the compressed data in them.
    let mut short_data = png.clone();
    let length = u32::from_be_bytes(png[data - 4..data].try_into().unwrap()) as usize;
    short_data.drain(data + 4 + length / 2..data + 4 + length);
    short_data[data - 4..data].copy_from_slice(&(length as u32 / 2).to_be_bytes());
    let end = data + 4 + length / 2;
    let sum = crc32fast::hash(&short_data[data..end]);
    short_data[end..end + 4].copy_from_slice(&sum.to_be_bytes());
    let mut flipped = png.clone();
    flipped[data + 4 + length / 2] ^= 0x10;
    for (name, picture, words) in [
        (
            "half of a JPEG",
            half_of_a_jpeg(),
            "it is cut off: scan 1 has data for",
        ),
        (
            "a PNG that ends early",
            png[..png.len() - 12].to_vec(),
            "it is cut off: its last chunk",
        ),
        (
            "half of a PNG",
            png[..png.len() / 2].to_vec(),
            "it is cut off: its chunk \"IDAT\"",
        ),
        ("a PNG with half of its data", short_data, "it does not decode"),
        ("a PNG with another bit", flipped, "it is damaged: the checksum"),
    ] {
        let error = bench
            .client()
            .generate(starting_on(picture.clone()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        media::picture(picture, &MediaOptions::default()).expect_err(name);
    }
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jpeg_fill_bytes_before_markers_are_accepted() {
    let bench = Bench::start(&[]).await;
    let filled = filled_jpeg();
    let shown = media::picture(filled.clone(), &MediaOptions::default()).unwrap();
    let plain = media::picture(frame().to_jpeg(90).unwrap(), &MediaOptions::default()).unwrap();
    assert_eq!(shown.rgb(), plain.rgb());
    bench.client().generate(starting_on(filled)).await.unwrap();
    assert_eq!(bench.state().creates, 1);
}
