//! The markers and segments of a JPEG, and the size in its header.

pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const DHT: u8 = 0xc4;
pub(super) const DRI: u8 = 0xdd;

/// The marker at or after `at`, and where what follows it begins. Any number of fill bytes (0xff) may stand before a
/// marker; bytes that belong to none are stepped over, as decoders do.
pub(super) fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    while let Some(found) = bytes.get(at..)?.iter().position(|byte| *byte == 0xff) {
        at += found;
        at += bytes.get(at..)?.iter().position(|byte| *byte != 0xff)?;
        let marker = *bytes.get(at)?;
        at += 1;
        // 0xff 0x00 is a byte of coded data.
        if marker != 0 {
            return Some((marker, at));
        }
    }
    None
}

/// Whether a marker stands alone, without a length.
pub(super) const fn is_bare(marker: u8) -> bool {
    matches!(marker, 0x01 | SOI | EOI | 0xd0..=0xd7)
}

pub(super) const fn is_restart(marker: u8) -> bool {
    matches!(marker, 0xd0..=0xd7)
}

/// The markers of frames: all that begin with `SOF`.
pub(super) const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, DHT | 0xc8 | 0xcc)
}

/// The body of the segment whose length stands at `at`, and where the next one begins.
pub(super) fn segment(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let &[high, low, ..] = bytes.get(at..)? else {
        return None;
    };
    let end = at.checked_add(usize::from(u16::from_be_bytes([high, low])))?;
    Some((bytes.get(at.checked_add(2)?..end)?, end))
}

/// The segments before the coded data, each with its marker.
pub(crate) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
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

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Option<(u64, u64)> {
    let (_, body) = Segments::of(bytes).find(|(marker, _)| is_frame(*marker))?;
    let &[_, h1, h0, w1, w0, ..] = body else {
        return None;
    };
    Some((
        u16::from_be_bytes([w1, w0]).into(),
        u16::from_be_bytes([h1, h0]).into(),
    ))
}
