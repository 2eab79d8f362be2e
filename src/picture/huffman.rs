//! The Huffman codes of a JPEG, and its coded data bit by bit.

use super::markers::{is_restart, next_marker};

/// Why coded data cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends too early.
    Short,
    /// It holds what cannot be.
    Bad,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Box<Codes>>; 4],
    pub(super) ac: [Option<Box<Codes>>; 4],
}

impl Tables {
    pub(super) fn read(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&place, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let codes = Box::new(Codes::new(counts, symbols)?);
            let class = match place >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *class.get_mut(usize::from(place & 15))? = Some(codes);
            body = rest;
        }
        Some(())
    }
}

/// A table of Huffman codes.
#[derive(Debug)]
pub(super) struct Codes {
    /// By the next 8 bits: length and symbol of a code of at most 8.
    short: [(u8, u8); 256],
    /// By length, past the last code of it, and what is added to a code for the place of its symbol.
    ends: [u32; 17],
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self {
            short: [(0, 0); 256],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_u32);
        for (length, count) in (1_u8..).zip(counts) {
            let wide = usize::from(length);
            let count = u32::from(*count);
            codes.offsets[wide] = i32::try_from(place).ok()? - i32::try_from(code).ok()?;
            if length <= 8 {
                let span = 1_usize << (8 - length);
                for offset in 0..count {
                    let symbol = *symbols.get(usize::try_from(place + offset).ok()?)?;
                    let from = usize::try_from(code + offset).ok()? * span;
                    codes.short.get_mut(from..from + span)?.fill((length, symbol));
                }
            }
            code += count;
            place += count;
            if code > 1 << length {
                return None;
            }
            codes.ends[wide] = if count > 0 { code } else { 0 };
            code <<= 1;
        }
        Some(codes)
    }
}

/// The coded data of one scan, bit by bit.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            held: 0,
            count: 0,
        }
    }

    /// Takes in bytes up to the next marker.
    fn fill(&mut self) {
        while self.count <= 56 {
            let (byte, step) = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => (0xff, 2),
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => (*byte, 1),
            };
            self.at += step;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    pub(super) fn skip(&mut self, bits: u32) -> Result<(), Fault> {
        if bits > self.count {
            self.fill();
            if bits > self.count {
                return Err(Fault::Short);
            }
        }
        self.held <<= bits;
        self.count -= bits;
        Ok(())
    }

    /// Up to 16 bits.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Fault> {
        if bits == 0 {
            return Ok(0);
        }
        if bits > self.count {
            self.fill();
        }
        let value = u32::try_from(self.held >> (64 - bits)).map_err(|_| Fault::Bad)?;
        self.skip(bits)?;
        Ok(value)
    }

    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<u8, Fault> {
        if self.count < 16 {
            self.fill();
        }
        let next = self.held >> 48;
        let (length, symbol) = codes.short[usize::try_from(next >> 8).map_err(|_| Fault::Bad)?];
        if length > 0 {
            self.skip(length.into())?;
            return Ok(symbol);
        }
        for length in 9..=16_u32 {
            let code = u32::try_from(next >> (16 - length)).map_err(|_| Fault::Bad)?;
            let (end, offset) = (codes.ends[length as usize], codes.offsets[length as usize]);
            if code < end {
                self.skip(length)?;
                let place = i64::from(code) + i64::from(offset);
                let symbol = usize::try_from(place)
                    .ok()
                    .and_then(|place| codes.symbols.get(place));
                return symbol.copied().ok_or(Fault::Bad);
            }
        }
        // The zeros behind the end are no code.
        Err(if self.count < 16 { Fault::Short } else { Fault::Bad })
    }

    /// Goes on after the restart marker that has to follow.
    pub(super) fn restart(&mut self) -> Result<(), Fault> {
        (self.held, self.count) = (0, 0);
        match next_marker(self.bytes, self.at) {
            Some((marker, after)) if is_restart(marker) => {
                self.at = after;
                Ok(())
            }
            _ => Err(Fault::Short),
        }
    }

    /// Up to 64 bits.
    pub(super) fn skip_many(&mut self, bits: u32) -> Result<(), Fault> {
        self.skip(bits / 2)?;
        self.skip(bits - bits / 2)
    }
}
