//! Checks that a still picture is complete.
//!
//! Owns the structure of PNG, JPEG and WebP files: headers, chunks, checksums, and the coded data of a JPEG. The service
//! accepts a truncated picture, charges for the job and fails; decoders silently fill the missing part with gray. Works
//! without a decoder, and so also without libav.

mod huffman;
mod jpeg;
mod markers;

#[cfg(feature = "media")]
pub(crate) use markers::Segments as JpegSegments;

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureKind {
    Png,
    Jpeg,
    WebP,
}

impl PictureKind {
    /// Detects the format from the first bytes.
    pub(crate) fn detect(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    pub(crate) const fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }

    /// Returns width and height from the header, or `None` if the header is truncated or damaged.
    pub(crate) fn read_size(self, bytes: &[u8]) -> Option<(u64, u64)> {
        match self {
            Self::Jpeg => markers::read_size(bytes),
            Self::Png | Self::WebP => {
                let size = imagesize::blob_size(bytes).ok()?;
                Some((size.width as u64, size.height as u64))
            }
        }
    }

    /// Checks that the picture is complete up to its end. Check its [size](Self::read_size) first: a progressive JPEG
    /// needs half a byte of memory for each pixel.
    ///
    /// # Errors
    /// A description that follows "it is", such as "cut off: …".
    pub(crate) fn check_whole(self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Self::Png => check_png(bytes),
            Self::Jpeg => jpeg::check(bytes),
            Self::WebP => check_webp(bytes),
        }
    }
}

/// Reads a big-endian number of four bytes.
fn read_u32(bytes: &[u8]) -> Option<usize> {
    let four = <[u8; 4]>::try_from(bytes).ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

fn check_png(bytes: &[u8]) -> Result<(), String> {
    let cut_off = |what: &str| format!("cut off: its {what}");
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut has_data = false;
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (length, name) = head.split_at(4);
        let display_name = String::from_utf8_lossy(name).into_owned();
        let length = read_u32(length).ok_or_else(|| cut_off("chunks end too early"))?;
        let whole = length
            .checked_add(4)
            .and_then(|length| after.split_at_checked(length));
        let Some((body, next)) = whole else {
            return Err(cut_off(&format!(
                "chunk {display_name:?} has {length} bytes, and the file has {} more",
                after.len()
            )));
        };
        let (data, sum) = body.split_at(length);
        // A lower-case first letter marks an ancillary chunk, which decoders can skip.
        if name[0].is_ascii_uppercase() {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(name);
            hasher.update(data);
            if read_u32(sum) != usize::try_from(hasher.finalize()).ok() {
                return Err(format!(
                    "damaged: the checksum of its chunk {display_name:?} is wrong"
                ));
            }
        }
        match name {
            b"IDAT" => has_data = true,
            b"IEND" if has_data => return Ok(()),
            b"IEND" => return Err("damaged: it has no picture data".to_owned()),
            _ => {}
        }
        rest = next;
    }
    Err(cut_off("last chunk, \"IEND\", is missing"))
}

fn check_webp(bytes: &[u8]) -> Result<(), String> {
    let read_u32_le = |four: &[u8]| {
        let four = <[u8; 4]>::try_from(four).ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    let declared = bytes.get(4..8).and_then(read_u32_le);
    let declared = declared.ok_or("cut off: it has no header")?;
    let Some(mut rest) = bytes.get(8..).and_then(|rest| rest.get(4..declared)) else {
        return Err(format!(
            "cut off: it has {} bytes and should have {}",
            bytes.len(),
            declared.saturating_add(8)
        ));
    };
    let mut has_data = false;
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (name, length) = head.split_at(4);
        let data = read_u32_le(length).and_then(|length| after.get(..length));
        let Some(data) = data else {
            let display_name = String::from_utf8_lossy(name).into_owned();
            return Err(format!("cut off: its chunk {display_name:?} ends too early"));
        };
        match name {
            b"VP8 " => {
                check_vp8(data)?;
                has_data = true;
            }
            b"VP8L" | b"ANMF" => has_data = true,
            _ => {}
        }
        // A chunk of odd length has a padding byte, which some writers omit at the end of the file.
        rest = after.get(data.len().next_multiple_of(2)..).unwrap_or_default();
    }
    if has_data {
        Ok(())
    } else {
        Err("damaged: it has no picture data".to_owned())
    }
}

/// Checks that the first partition of a lossy picture has the size that the header declares.
fn check_vp8(data: &[u8]) -> Result<(), String> {
    let &[low, middle, high, ..] = data else {
        return Err("cut off: its picture data has no header".to_owned());
    };
    let tag = u32::from_le_bytes([low, middle, high, 0]);
    let partition = usize::try_from(tag >> 5).unwrap_or(usize::MAX);
    // The header has three bytes of tag, three of start code and four of picture size.
    if data.len().saturating_sub(10) < partition {
        return Err("cut off: its picture data ends too early".to_owned());
    }
    Ok(())
}

// The encoders for the test pictures need the feature `media`.
#[cfg(all(test, feature = "media"))]
mod tests;
