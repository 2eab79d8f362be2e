//! The coded data of a JPEG, block by block.
//!
//! Reads Huffman codes and counts blocks; it computes no pixel. Files that code in another way (arithmetic, lossless)
//! are followed from marker to marker only.

use super::huffman::{Bits, Codes, Fault, Tables};
use super::markers::{DHT, DRI, EOI, SOS, is_bare, is_frame, next_marker, segment};

/// A file with more scans is an attack: the usual progressive picture has 10.
const MAX_SCANS: u32 = 500;
const MAX_COMPONENTS: usize = 4;

const CUT_OFF: &str = "cut off: it has no end mark";

/// Checks that all segments and all coded data are there, up to the end mark. What follows it does not count.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = |what: &str| format!("damaged: {what}");
    let mut tables = Tables::default();
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
            return Err("cut off: the data of one of its colors is missing".to_owned());
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
                .ok_or_else(|| damaged("its code tables make no sense"))?,
            DRI => {
                let &[high, low, ..] = body else {
                    return Err(damaged("its restart interval makes no sense"));
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
                    .scan(body)
                    .ok_or_else(|| damaged("the head of a scan makes no sense"))?;
                at = match Walk::new(bytes, end, &scan, &tables) {
                    Some(walk) => {
                        walk.run(frame, &scan, restart)
                            .map_err(|(fault, done, of)| match fault {
                                Fault::Short => {
                                    format!("cut off: scan {scans} has data for {done} of {of} blocks")
                                }
                                Fault::Bad => damaged(&format!(
                                    "scan {scans} cannot be read beyond {done} of {of} blocks"
                                )),
                            })?
                    }
                    None => end,
                };
            }
            marker if is_frame(marker) && frame.is_none() => {
                let read = Frame::read(marker, body).ok_or_else(|| damaged("its header makes no sense"))?;
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
    /// One that is not read here.
    Other,
}

#[derive(Debug)]
struct Frame {
    coding: Coding,
    /// Groups of blocks of a scan with several components.
    groups: u64,
    components: Vec<Component>,
}

#[derive(Debug)]
struct Component {
    id: u8,
    /// Blocks in a group.
    in_group: u64,
    /// Blocks in a scan of its own.
    blocks: u64,
    /// Whether a scan had its data.
    is_seen: bool,
    /// By block, which coefficients are not 0 so far, a bit each. Empty until a progressive scan has some.
    filled: Vec<u64>,
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
        let (mut widest, mut highest) = (0, 0);
        for [_, pair, _] in listed {
            let (h, v) = factors(*pair);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return None;
            }
            (widest, highest) = (widest.max(h), highest.max(v));
        }
        let components = listed.iter().map(|&[id, pair, _]| {
            let (h, v) = factors(pair);
            let blocks = |length: u64, own: u64, most: u64| (length * own).div_ceil(most).div_ceil(8);
            Component {
                id,
                in_group: h * v,
                blocks: blocks(width, h, widest) * blocks(height, v, highest),
                is_seen: false,
                filled: Vec::new(),
            }
        });
        Some(Self {
            coding: match marker {
                0xc0 | 0xc1 => Coding::Sequential,
                0xc2 => Coding::Progressive,
                _ => Coding::Other,
            },
            groups: width.div_ceil(8 * widest) * height.div_ceil(8 * highest),
            components: components.collect(),
        })
    }

    /// Reads the head of a scan, and notes which components it has.
    fn scan(&mut self, body: &[u8]) -> Option<Scan> {
        let (count, rest) = body.split_first()?;
        let (listed, band) = rest.split_at_checked(usize::from(*count) * 2)?;
        let &[first, last, bits, ..] = band else {
            return None;
        };
        let mut parts = Vec::with_capacity(MAX_COMPONENTS);
        for &[id, selectors] in listed.as_chunks::<2>().0 {
            let index = self.components.iter().position(|component| component.id == id)?;
            if parts.iter().any(|part: &Part| part.component == index) {
                return None;
            }
            self.components[index].is_seen = true;
            parts.push(Part {
                component: index,
                dc: usize::from(selectors >> 4),
                ac: usize::from(selectors & 15),
            });
        }
        if parts.is_empty() {
            return None;
        }
        let (first, last) = (u32::from(first), u32::from(last));
        let is_progressive = self.coding == Coding::Progressive;
        // A band of several components has their DC coefficients, and a band of those has no others.
        let is_band = match first {
            0 => last == 0,
            _ => first <= last && last < 64 && parts.len() == 1,
        };
        if is_progressive && !is_band {
            return None;
        }
        Some(Scan {
            coding: self.coding,
            parts,
            first,
            last,
            is_refinement: bits >> 4 > 0,
        })
    }
}

/// The head of a scan.
#[derive(Debug)]
struct Scan {
    coding: Coding,
    parts: Vec<Part>,
    /// The coefficients of a progressive scan.
    first: u32,
    last: u32,
    is_refinement: bool,
}

/// A component in a scan, with its tables.
#[derive(Debug)]
struct Part {
    component: usize,
    dc: usize,
    ac: usize,
}

/// The tables of a part of the scan; those that it does not need may be missing.
type Pair<'a> = (Option<&'a Codes>, Option<&'a Codes>);

/// The way through the blocks of one scan.
struct Walk<'a> {
    bits: Bits<'a>,
    tables: Vec<Pair<'a>>,
    /// Further blocks that have nothing new in this progressive scan.
    empty_blocks: u32,
}

impl<'a> Walk<'a> {
    /// `None` where the data cannot be followed: coded in another way, or by tables that the file does not bring.
    fn new(bytes: &'a [u8], at: usize, scan: &Scan, tables: &'a Tables) -> Option<Self> {
        let needs = match scan.coding {
            Coding::Sequential => (true, true),
            Coding::Progressive if scan.first > 0 => (false, true),
            Coding::Progressive => (!scan.is_refinement, false),
            Coding::Other => return None,
        };
        let find = |part: &Part| {
            let dc = tables.dc.get(part.dc).and_then(Option::as_deref);
            let ac = tables.ac.get(part.ac).and_then(Option::as_deref);
            let has_all = (dc.is_some() || !needs.0) && (ac.is_some() || !needs.1);
            has_all.then_some((dc, ac))
        };
        Some(Self {
            bits: Bits::new(bytes, at),
            tables: scan.parts.iter().map(find).collect::<Option<_>>()?,
            empty_blocks: 0,
        })
    }

    /// Reads all blocks; returns where the data ends. An error tells how many blocks were read, of how many.
    fn run(mut self, frame: &mut Frame, scan: &Scan, restart: u32) -> Result<usize, (Fault, u64, u64)> {
        let in_group: Vec<u64> = match &*scan.parts {
            [_] => vec![1],
            parts => (parts.iter())
                .map(|part| frame.components[part.component].in_group)
                .collect(),
        };
        let groups = match &*scan.parts {
            [part] => frame.components[part.component].blocks,
            _ => frame.groups,
        };
        let all = groups * in_group.iter().sum::<u64>();
        let mut done = 0;
        for group in 0..groups {
            if restart > 0 && group > 0 && group.is_multiple_of(u64::from(restart)) {
                self.empty_blocks = 0;
                self.bits.restart().map_err(|fault| (fault, done, all))?;
            }
            for (place, (part, count)) in scan.parts.iter().zip(&in_group).enumerate() {
                for _ in 0..*count {
                    let component = &mut frame.components[part.component];
                    self.block(scan, place, component, group)
                        .map_err(|fault| (fault, done, all))?;
                    done += 1;
                }
            }
        }
        Ok(self.bits.at)
    }

    fn block(
        &mut self,
        scan: &Scan,
        place: usize,
        component: &mut Component,
        block: u64,
    ) -> Result<(), Fault> {
        let (dc, ac) = self.tables[place];
        match scan.coding {
            Coding::Sequential => self.sequential(dc.ok_or(Fault::Bad)?, ac.ok_or(Fault::Bad)?),
            _ if scan.first == 0 && scan.is_refinement => self.bits.skip(1),
            _ if scan.first == 0 => self.dc(dc.ok_or(Fault::Bad)?),
            _ => {
                if component.filled.is_empty() {
                    let blocks = usize::try_from(component.blocks).map_err(|_| Fault::Bad)?;
                    component.filled = vec![0; blocks];
                }
                let block = usize::try_from(block).map_err(|_| Fault::Bad)?;
                let filled = component.filled.get_mut(block).ok_or(Fault::Bad)?;
                let ac = ac.ok_or(Fault::Bad)?;
                if scan.is_refinement {
                    self.refined_band(ac, scan.first, scan.last, filled)
                } else {
                    self.band(ac, scan.first, scan.last, filled)
                }
            }
        }
    }

    fn dc(&mut self, codes: &Codes) -> Result<(), Fault> {
        let bits = self.bits.symbol(codes)?;
        if bits > 16 {
            return Err(Fault::Bad);
        }
        self.bits.skip(bits.into())
    }

    fn sequential(&mut self, dc: &Codes, ac: &Codes) -> Result<(), Fault> {
        self.dc(dc)?;
        let mut next = 1;
        while next < 64 {
            let symbol = self.bits.symbol(ac)?;
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
        if next > 64 { Err(Fault::Bad) } else { Ok(()) }
    }

    /// The run of blocks that a code stands for, its own included.
    fn begin_empty_blocks(&mut self, exponent: u32) -> Result<(), Fault> {
        self.empty_blocks = (1 << exponent) + self.bits.take(exponent)?;
        Ok(())
    }

    fn band(&mut self, codes: &Codes, first: u32, last: u32, filled: &mut u64) -> Result<(), Fault> {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return Ok(());
        }
        let mut next = first;
        while next <= last {
            let symbol = self.bits.symbol(codes)?;
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
                        return Err(Fault::Bad);
                    }
                    *filled |= 1 << next;
                    next += 1;
                }
            }
        }
        Ok(())
    }

    /// Each coefficient that is not 0 so far has a bit here; those that become so have a code.
    fn refined_band(&mut self, codes: &Codes, first: u32, last: u32, filled: &mut u64) -> Result<(), Fault> {
        let mut next = first;
        while self.empty_blocks == 0 && next <= last {
            let symbol = self.bits.symbol(codes)?;
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
                if (*filled >> next) & 1 == 1 {
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
                    return Err(Fault::Bad);
                }
                *filled |= 1 << next;
            }
            next += 1;
        }
        if self.empty_blocks > 0 {
            let rest = if next > last {
                0
            } else {
                ((*filled >> next) << next) & (u64::MAX >> (63 - last))
            };
            self.bits.skip_many(rest.count_ones())?;
            self.empty_blocks -= 1;
        }
        Ok(())
    }
}
