//! The markers and segments of a JPEG, and the picture size in its header.

pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const DHT: u8 = 0xc4;
pub(super) const DRI: u8 = 0xdd;

/// Finds the marker at or after `at` and returns it with the position after it. Any number of fill bytes (0xff) may
/// precede a marker. Bytes that do not belong to a marker are skipped, as decoders do.
pub(super) fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    while let Some(found) = bytes.get(at..)?.iter().position(|byte| *byte == 0xff) {
        at += found;
        at += bytes.get(at..)?.iter().position(|byte| *byte != 0xff)?;
        let marker = *bytes.get(at)?;
        at += 1;
        // 0xff 0x00 is an escaped byte of coded data.
        if marker != 0 {
            return Some((marker, at));
        }
    }
    None
}

/// Returns whether a marker has no segment.
pub(super) const fn is_bare(marker: u8) -> bool {
    matches!(marker, 0x01 | SOI | EOI | 0xd0..=0xd7)
}

pub(super) const fn is_restart(marker: u8) -> bool {
    matches!(marker, 0xd0..=0xd7)
}

/// Returns whether a marker starts a frame (`SOF0` to `SOF15`).
pub(super) const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, DHT | 0xc8 | 0xcc)
}

/// Returns the body of the segment whose length is at `at`, and the position after the segment.
pub(super) fn segment(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let &[high, low, ..] = bytes.get(at..)? else {
        return None;
    };
    let end = at.checked_add(usize::from(u16::from_be_bytes([high, low])))?;
    Some((bytes.get(at.checked_add(2)?..end)?, end))
}

/// Iterates over the segments before the coded data, each with its marker.
pub(crate) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut marker, mut at) = next_marker(self.bytes, self.at)?;
        while is_bare(marker) && marker != EOI {
            (marker, at) = next_marker(self.bytes, at)?;
        }
        if matches!(marker, SOS | EOI) {
            return None;
        }
        let (body, end) = segment(self.bytes, at)?;
        self.at = end;
        Some((marker, body))
    }
}

/// Reads width and height from the frame header.
pub(super) fn read_size(bytes: &[u8]) -> Option<(u64, u64)> {
    let (_, body) = Segments::new(bytes).find(|(marker, _)| is_frame(*marker))?;
    let &[_, h1, h0, w1, w0, ..] = body else {
        return None;
    };
    Some((
        u16::from_be_bytes([w1, w0]).into(),
        u16::from_be_bytes([h1, h0]).into(),
    ))
}
