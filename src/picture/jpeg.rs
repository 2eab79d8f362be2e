//! Checks that the coded data of a JPEG is complete, block by block.
//!
//! Reads Huffman codes and counts blocks without computing pixels. Of files with another coding (arithmetic, lossless) only
//! the markers are checked.

use super::huffman::{BitReader, DecodeError, HuffmanTable, HuffmanTables};
use super::markers::{DHT, DRI, EOI, SOS, is_bare, is_frame, next_marker, segment};

/// Maximum number of scans. A typical progressive picture has 10, so a file with more is an attack.
const MAX_SCANS: u32 = 500;
const MAX_COMPONENTS: usize = 4;

const CUT_OFF: &str = "cut off: it has no end marker";

/// Checks that all segments and all coded data are present up to the end marker. Ignores what follows the marker.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = |what: &str| format!("damaged: {what}");
    let mut tables = HuffmanTables::default();
    let mut frame: Option<Frame> = None;
    let (mut restart, mut scans, mut at) = (0, 0, 2);
    while let Some((marker, after)) = next_marker(bytes, at) {
        if marker == EOI {
            let frame = frame
                .filter(|_| scans > 0)
                .ok_or("damaged: it has no picture data")?;
            if frame.components.iter().all(|component| component.is_seen) {
                return Ok(());
            }
            return Err("cut off: the data of one of its color components is missing".to_owned());
        }
        if is_bare(marker) {
            at = after;
            continue;
        }
        let (body, end) = segment(bytes, after).ok_or(CUT_OFF)?;
        at = end;
        match marker {
            DHT => tables
                .read(body)
                .ok_or_else(|| damaged("its Huffman tables are invalid"))?,
            DRI => {
                let &[high, low, ..] = body else {
                    return Err(damaged("its restart interval is invalid"));
                };
                restart = u32::from(u16::from_be_bytes([high, low]));
            }
            SOS => {
                scans += 1;
                let frame = frame.as_mut().ok_or_else(|| damaged("its header has no size"))?;
                if scans > MAX_SCANS {
                    return Err(damaged("it has more than 500 scans"));
                }
                let scan = frame
                    .read_scan(body, &tables, BitReader::new(bytes, end))
                    .ok_or_else(|| damaged("a scan header is invalid"))?;
                if scan.is_readable() {
                    at = scan
                        .skip_blocks(frame, restart)
                        .map_err(|(error, done, total)| match error {
                            DecodeError::Truncated => {
                                format!("cut off: scan {scans} has data for {done} of {total} blocks")
                            }
                            DecodeError::Invalid => damaged(&format!(
                                "scan {scans} cannot be read after {done} of {total} blocks"
                            )),
                        })?;
                }
            }
            marker if is_frame(marker) && frame.is_none() => {
                let read = Frame::read(marker, body).ok_or_else(|| damaged("its header is invalid"))?;
                frame = Some(read);
            }
            _ => {}
        }
    }
    Err(CUT_OFF.to_owned())
}

/// How the blocks of a frame are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Sequential,
    Progressive,
    /// A coding that this module does not read.
    Other,
}

/// The frame header, with what the scans read so far contained.
#[derive(Debug)]
struct Frame {
    coding: Coding,
    /// The number of MCUs (groups of blocks) in a scan with several components.
    mcus: u64,
    components: Vec<Component>,
}

#[derive(Debug)]
struct Component {
    id: u8,
    /// The number of its blocks in an MCU.
    blocks_per_mcu: u64,
    /// The number of its blocks in a scan with this component alone.
    blocks: u64,
    /// Whether a scan contained this component.
    is_seen: bool,
    /// For each block, one bit for each coefficient that is nonzero so far. Empty until a progressive scan needs it.
    nonzero: Vec<u64>,
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Option<Self> {
        let &[_, h1, h0, w1, w0, count, ref rest @ ..] = body else {
            return None;
        };
        let height = u64::from(u16::from_be_bytes([h1, h0]));
        let width = u64::from(u16::from_be_bytes([w1, w0]));
        let listed = rest.as_chunks::<3>().0.get(..usize::from(count))?;
        if listed.is_empty() || listed.len() > MAX_COMPONENTS || width == 0 || height == 0 {
            return None;
        }
        let factors = |pair: u8| (u64::from(pair >> 4), u64::from(pair & 15));
        let (mut max_h, mut max_v) = (0, 0);
        for [_, pair, _] in listed {
            let (h, v) = factors(*pair);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return None;
            }
            (max_h, max_v) = (max_h.max(h), max_v.max(v));
        }
        let components = listed.iter().map(|&[id, pair, _]| {
            let (h, v) = factors(pair);
            let blocks = |length: u64, factor: u64, max: u64| (length * factor).div_ceil(max).div_ceil(8);
            Component {
                id,
                blocks_per_mcu: h * v,
                blocks: blocks(width, h, max_h) * blocks(height, v, max_v),
                is_seen: false,
                nonzero: Vec::new(),
            }
        });
        Some(Self {
            coding: match marker {
                0xc0 | 0xc1 => Coding::Sequential,
                0xc2 => Coding::Progressive,
                _ => Coding::Other,
            },
            mcus: width.div_ceil(8 * max_h) * height.div_ceil(8 * max_v),
            components: components.collect(),
        })
    }

    /// Reads a scan header and marks its components as seen.
    fn read_scan<'a>(
        &mut self,
        body: &[u8],
        tables: &'a HuffmanTables,
        bits: BitReader<'a>,
    ) -> Option<Scan<'a>> {
        let (count, rest) = body.split_first()?;
        let (listed, band) = rest.split_at_checked(usize::from(*count) * 2)?;
        let &[first, last, approximation, ..] = band else {
            return None;
        };
        let mut components = Vec::with_capacity(MAX_COMPONENTS);
        for &[id, selectors] in listed.as_chunks::<2>().0 {
            let index = self.components.iter().position(|component| component.id == id)?;
            if components
                .iter()
                .any(|component: &ScanComponent<'_>| component.index == index)
            {
                return None;
            }
            self.components[index].is_seen = true;
            components.push(ScanComponent {
                index,
                dc: tables
                    .dc
                    .get(usize::from(selectors >> 4))
                    .and_then(Option::as_deref),
                ac: tables
                    .ac
                    .get(usize::from(selectors & 15))
                    .and_then(Option::as_deref),
            });
        }
        if components.is_empty() {
            return None;
        }
        let (first, last) = (u32::from(first), u32::from(last));
        // A progressive scan has either the DC coefficients or, for a single component, a band of AC coefficients.
        let is_band = match first {
            0 => last == 0,
            _ => first <= last && last < 64 && components.len() == 1,
        };
        if self.coding == Coding::Progressive && !is_band {
            return None;
        }
        Some(Scan {
            coding: self.coding,
            components,
            first,
            last,
            is_refinement: approximation >> 4 > 0,
            bits,
            empty_blocks: 0,
        })
    }
}

/// A scan: its header and the position in its coded data.
struct Scan<'a> {
    coding: Coding,
    components: Vec<ScanComponent<'a>>,
    /// The first and the last coefficient of a progressive scan.
    first: u32,
    last: u32,
    is_refinement: bool,
    bits: BitReader<'a>,
    /// The number of following blocks that are empty in this progressive scan.
    empty_blocks: u32,
}

/// A component of a scan, with its Huffman tables as far as the file defines them.
#[derive(Clone, Copy)]
struct ScanComponent<'a> {
    /// The index of the component in the frame.
    index: usize,
    dc: Option<&'a HuffmanTable>,
    ac: Option<&'a HuffmanTable>,
}

impl Scan<'_> {
    /// Returns whether the coding is supported and the file defines all tables that the scan needs.
    fn is_readable(&self) -> bool {
        let (needs_dc, needs_ac) = match self.coding {
            Coding::Sequential => (true, true),
            Coding::Progressive if self.first > 0 => (false, true),
            Coding::Progressive => (!self.is_refinement, false),
            Coding::Other => return false,
        };
        self.components
            .iter()
            .all(|component| (component.dc.is_some() || !needs_dc) && (component.ac.is_some() || !needs_ac))
    }

    /// Reads all blocks and returns where the data ends. An error contains the number of blocks read and their total.
    fn skip_blocks(mut self, frame: &mut Frame, restart: u32) -> Result<usize, (DecodeError, u64, u64)> {
        let (groups, blocks_per_group): (u64, Vec<u64>) = match &*self.components {
            [single] => (frame.components[single.index].blocks, vec![1]),
            components => (
                frame.mcus,
                (components.iter())
                    .map(|component| frame.components[component.index].blocks_per_mcu)
                    .collect(),
            ),
        };
        let total = groups * blocks_per_group.iter().sum::<u64>();
        let mut done = 0;
        for group in 0..groups {
            if restart > 0 && group > 0 && group.is_multiple_of(u64::from(restart)) {
                self.empty_blocks = 0;
                self.bits.restart().map_err(|error| (error, done, total))?;
            }
            for (place, count) in blocks_per_group.iter().enumerate() {
                let component = self.components[place];
                for _ in 0..*count {
                    self.skip_block(component, &mut frame.components[component.index], group)
                        .map_err(|error| (error, done, total))?;
                    done += 1;
                }
            }
        }
        Ok(self.bits.at)
    }

    /// Reads one block. `block` is its index if the scan has a single component.
    fn skip_block(
        &mut self,
        ScanComponent { dc, ac, .. }: ScanComponent<'_>,
        component: &mut Component,
        block: u64,
    ) -> Result<(), DecodeError> {
        match self.coding {
            Coding::Sequential => {
                self.skip_sequential_block(dc.ok_or(DecodeError::Invalid)?, ac.ok_or(DecodeError::Invalid)?)
            }
            _ if self.first == 0 && self.is_refinement => self.bits.skip(1),
            _ if self.first == 0 => self.skip_dc(dc.ok_or(DecodeError::Invalid)?),
            _ => {
                if component.nonzero.is_empty() {
                    let blocks = usize::try_from(component.blocks).map_err(|_| DecodeError::Invalid)?;
                    component.nonzero = vec![0; blocks];
                }
                let block = usize::try_from(block).map_err(|_| DecodeError::Invalid)?;
                let nonzero = component.nonzero.get_mut(block).ok_or(DecodeError::Invalid)?;
                let ac = ac.ok_or(DecodeError::Invalid)?;
                if self.is_refinement {
                    self.skip_refined_band(ac, nonzero)
                } else {
                    self.skip_band(ac, nonzero)
                }
            }
        }
    }

    fn skip_dc(&mut self, table: &HuffmanTable) -> Result<(), DecodeError> {
        let bits = self.bits.read_symbol(table)?;
        if bits > 16 {
            return Err(DecodeError::Invalid);
        }
        self.bits.skip(bits.into())
    }

    fn skip_sequential_block(&mut self, dc: &HuffmanTable, ac: &HuffmanTable) -> Result<(), DecodeError> {
        self.skip_dc(dc)?;
        let mut next = 1;
        while next < 64 {
            let symbol = self.bits.read_symbol(ac)?;
            let (zeros, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, bits) {
                (15, 0) => next += 16,
                (_, 0) => return Ok(()),
                _ => {
                    self.bits.skip(bits)?;
                    next += zeros + 1;
                }
            }
        }
        if next > 64 {
            Err(DecodeError::Invalid)
        } else {
            Ok(())
        }
    }

    /// Starts a run of empty blocks, which includes the current one.
    fn begin_empty_blocks(&mut self, exponent: u32) -> Result<(), DecodeError> {
        self.empty_blocks = (1 << exponent) + self.bits.read(exponent)?;
        Ok(())
    }

    fn skip_band(&mut self, table: &HuffmanTable, nonzero: &mut u64) -> Result<(), DecodeError> {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return Ok(());
        }
        let last = self.last;
        let mut next = self.first;
        while next <= last {
            let symbol = self.bits.read_symbol(table)?;
            let (zeros, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, bits) {
                (15, 0) => next += 16,
                (exponent, 0) => {
                    self.begin_empty_blocks(exponent)?;
                    self.empty_blocks -= 1;
                    return Ok(());
                }
                _ => {
                    next += zeros;
                    self.bits.skip(bits)?;
                    if next > last {
                        return Err(DecodeError::Invalid);
                    }
                    *nonzero |= 1 << next;
                    next += 1;
                }
            }
        }
        Ok(())
    }

    /// Skips a refinement: one bit for each coefficient that is already nonzero, and a code for each that becomes nonzero.
    fn skip_refined_band(&mut self, table: &HuffmanTable, nonzero: &mut u64) -> Result<(), DecodeError> {
        let last = self.last;
        let mut next = self.first;
        while self.empty_blocks == 0 && next <= last {
            let symbol = self.bits.read_symbol(table)?;
            let (mut zeros, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, bits) {
                (15, 0) => {}
                (exponent, 0) => {
                    self.begin_empty_blocks(exponent)?;
                    break;
                }
                _ => self.bits.skip(1)?,
            }
            while next <= last {
                if (*nonzero >> next) & 1 == 1 {
                    self.bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                next += 1;
            }
            if bits > 0 {
                if next > last {
                    return Err(DecodeError::Invalid);
                }
                *nonzero |= 1 << next;
            }
            next += 1;
        }
        if self.empty_blocks > 0 {
            let rest = if next > last {
                0
            } else {
                ((*nonzero >> next) << next) & (u64::MAX >> (63 - last))
            };
            self.bits.skip_many(rest.count_ones())?;
            self.empty_blocks -= 1;
        }
        Ok(())
    }
}
