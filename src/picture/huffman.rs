//! The Huffman tables of a JPEG, and a bit reader for its coded data.

use super::markers::{is_restart, next_marker};

/// Why coded data cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// The data ends too early.
    Truncated,
    /// The data is invalid.
    Invalid,
}

/// The tables that the file has defined so far, by their number.
#[derive(Debug, Default)]
pub(super) struct HuffmanTables {
    pub(super) dc: [Option<Box<HuffmanTable>>; 4],
    pub(super) ac: [Option<Box<HuffmanTable>>; 4],
}

impl HuffmanTables {
    /// Reads the tables of a segment. Returns `None` if one is invalid.
    pub(super) fn read(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&id, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let table = Box::new(HuffmanTable::new(counts, symbols)?);
            let class = match id >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *class.get_mut(usize::from(id & 15))? = Some(table);
            body = rest;
        }
        Some(())
    }
}

/// A Huffman table in canonical form.
#[derive(Debug)]
pub(super) struct HuffmanTable {
    /// For the next 8 bits, the length and the symbol of a code of at most 8 bits. A length of 0 means a longer code.
    short: [(u8, u8); 256],
    /// For each code length, the end of its codes (exclusive).
    ends: [u32; 17],
    /// For each code length, what is added to a code to get the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            short: [(0, 0); 256],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_u32);
        for (length, count) in (1_u8..).zip(counts) {
            let index = usize::from(length);
            let count = u32::from(*count);
            table.offsets[index] = i32::try_from(place).ok()? - i32::try_from(code).ok()?;
            if length <= 8 {
                let span = 1_usize << (8 - length);
                for offset in 0..count {
                    let symbol = *symbols.get(usize::try_from(place + offset).ok()?)?;
                    let from = usize::try_from(code + offset).ok()? * span;
                    table.short.get_mut(from..from + span)?.fill((length, symbol));
                }
            }
            code += count;
            place += count;
            if code > 1 << length {
                return None;
            }
            table.ends[index] = if count > 0 { code } else { 0 };
            code <<= 1;
        }
        Some(table)
    }
}

/// Reads the coded data of a scan bit by bit.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The position of the next byte.
    pub(super) at: usize,
    /// The bits that were read ahead, from the most significant one on.
    buffer: u64,
    /// The number of bits in the buffer.
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            buffer: 0,
            count: 0,
        }
    }

    /// Fills the buffer, up to the next marker.
    fn fill(&mut self) {
        while self.count <= 56 {
            let (byte, step) = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => (0xff, 2),
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => (*byte, 1),
            };
            self.at += step;
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Skips up to 56 bits.
    pub(super) fn skip(&mut self, bits: u32) -> Result<(), DecodeError> {
        if bits > self.count {
            self.fill();
            if bits > self.count {
                return Err(DecodeError::Truncated);
            }
        }
        self.buffer <<= bits;
        self.count -= bits;
        Ok(())
    }

    /// Reads up to 16 bits as a number.
    pub(super) fn read(&mut self, bits: u32) -> Result<u32, DecodeError> {
        if bits == 0 {
            return Ok(0);
        }
        if bits > self.count {
            self.fill();
        }
        let value = u32::try_from(self.buffer >> (64 - bits)).map_err(|_| DecodeError::Invalid)?;
        self.skip(bits)?;
        Ok(value)
    }

    /// Reads a code and returns its symbol.
    pub(super) fn read_symbol(&mut self, table: &HuffmanTable) -> Result<u8, DecodeError> {
        if self.count < 16 {
            self.fill();
        }
        let next = self.buffer >> 48;
        let (length, symbol) = table.short[usize::try_from(next >> 8).map_err(|_| DecodeError::Invalid)?];
        if length > 0 {
            self.skip(length.into())?;
            return Ok(symbol);
        }
        for length in 9..=16_u32 {
            let code = u32::try_from(next >> (16 - length)).map_err(|_| DecodeError::Invalid)?;
            let (end, offset) = (table.ends[length as usize], table.offsets[length as usize]);
            if code < end {
                self.skip(length)?;
                let place = i64::from(code) + i64::from(offset);
                let symbol = usize::try_from(place)
                    .ok()
                    .and_then(|place| table.symbols.get(place));
                return symbol.copied().ok_or(DecodeError::Invalid);
            }
        }
        // After the end of the data, the buffer contains zeros that are not a code.
        Err(if self.count < 16 {
            DecodeError::Truncated
        } else {
            DecodeError::Invalid
        })
    }

    /// Continues after the restart marker, which must follow.
    pub(super) fn restart(&mut self) -> Result<(), DecodeError> {
        (self.buffer, self.count) = (0, 0);
        match next_marker(self.bytes, self.at) {
            Some((marker, after)) if is_restart(marker) => {
                self.at = after;
                Ok(())
            }
            _ => Err(DecodeError::Truncated),
        }
    }

    /// Skips up to 64 bits.
    pub(super) fn skip_many(&mut self, bits: u32) -> Result<(), DecodeError> {
        self.skip(bits / 2)?;
        self.skip(bits - bits / 2)
    }
}
