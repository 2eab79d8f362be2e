//! The color tags of a decoded picture, as the numbers of the stream (ITU-T H.273).
//!
//! The bindings declare them as Rust enums, but a decoder passes on any number that a file has there. Reading a number
//! that the enum lacks is undefined behavior: a damaged AV1 file crashed the process that way. So the tags are read as
//! integers, and never as the bindings' types.

use ffmpeg_next as ff;

/// The color tags of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) matrix: u32,
    pub(crate) range: u32,
    pub(crate) primaries: u32,
    pub(crate) transfer: u32,
    pub(crate) chroma: u32,
}

/// libav's numbers for the range. H.273 has no numbers for it.
pub(crate) const LIMITED: u32 = 1;
pub(crate) const FULL: u32 = 2;

impl Tags {
    /// Reads the tags of a frame.
    #[expect(unsafe_code, reason = "the fields have to be read without their types")]
    pub(crate) fn of(frame: &ff::frame::Video) -> Self {
        // SAFETY: `as_ptr` points to the frame that `frame` owns, so its fields are readable. The fields are C
        // enums of four bytes, always initialized by libav; they are read through raw pointers as integers, for
        // which every value is valid, and no reference to the structure is made.
        unsafe {
            let frame = frame.as_ptr();
            Self {
                matrix: (&raw const (*frame).colorspace).cast::<u32>().read(),
                range: (&raw const (*frame).color_range).cast::<u32>().read(),
                primaries: (&raw const (*frame).color_primaries).cast::<u32>().read(),
                transfer: (&raw const (*frame).color_trc).cast::<u32>().read(),
                chroma: (&raw const (*frame).chroma_location).cast::<u32>().read(),
            }
        }
    }

    /// Returns libav's name of the primaries.
    pub(crate) fn primaries_name(self) -> Option<&'static str> {
        Some(match self.primaries {
            1 => "bt709",
            4 => "bt470m",
            5 => "bt470bg",
            6 => "smpte170m",
            7 => "smpte240m",
            8 => "film",
            9 => "bt2020",
            10 => "smpte428",
            11 => "smpte431",
            12 => "smpte432",
            22 => "ebu3213",
            _ => return None,
        })
    }

    /// Returns libav's name of the transfer curve.
    pub(crate) fn transfer_name(self) -> Option<&'static str> {
        Some(match self.transfer {
            1 => "bt709",
            4 => "bt470m",
            5 => "bt470bg",
            6 => "smpte170m",
            7 => "smpte240m",
            8 => "linear",
            9 => "log100",
            10 => "log316",
            11 => "iec61966-2-4",
            12 => "bt1361e",
            13 => "iec61966-2-1",
            14 => "bt2020-10",
            15 => "bt2020-12",
            16 => "smpte2084",
            17 => "smpte428",
            18 => "arib-std-b67",
            _ => return None,
        })
    }
}
