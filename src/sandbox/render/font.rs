//! Characters as 8x8 bitmaps.
//!
//! A character without a bitmap becomes a box with its code point in hexadecimal, so that different prompts look
//! different.

use font8x8::UnicodeFonts;

/// Side of a bitmap in pixels, before scaling.
pub(super) const BITMAP_SIDE: usize = 8;
/// Side of a glyph in dots. A dot is half a pixel of a bitmap, so that the digits of a box fit.
pub(super) const GLYPH_SIDE: usize = BITMAP_SIDE * 2;

/// A glyph of [`GLYPH_SIDE`] x [`GLYPH_SIDE`] dots; bit 0 of a row is the leftmost dot.
pub(super) type Glyph = [u16; GLYPH_SIDE];

/// Returns the glyph of a character.
pub(super) fn glyph(character: char) -> Glyph {
    if character.is_whitespace() || character.is_control() {
        return [0; GLYPH_SIDE];
    }
    let bitmap = font8x8::BASIC_FONTS
        .get(character)
        .or_else(|| font8x8::LATIN_FONTS.get(character))
        .or_else(|| font8x8::GREEK_FONTS.get(character))
        .or_else(|| font8x8::HIRAGANA_FONTS.get(character))
        .or_else(|| font8x8::BOX_FONTS.get(character))
        .or_else(|| font8x8::BLOCK_FONTS.get(character))
        .or_else(|| ascii_punctuation(character).and_then(|c| font8x8::BASIC_FONTS.get(c)))
        .filter(|rows| rows.iter().any(|row| *row != 0));
    match bitmap {
        Some(rows) => double_resolution(rows),
        None => code_box(character),
    }
}

/// Replaces typographic punctuation by ASCII punctuation that looks the same.
fn ascii_punctuation(character: char) -> Option<char> {
    Some(match character {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2010}'..='\u{2015}' => '-',
        _ => return None,
    })
}

/// Doubles the resolution of a bitmap.
fn double_resolution(rows: [u8; 8]) -> Glyph {
    let mut out = [0; GLYPH_SIDE];
    for (index, row) in rows.into_iter().enumerate() {
        let mut wide = 0u16;
        for bit in 0..8 {
            if row >> bit & 1 == 1 {
                wide |= 0b11 << (bit * 2);
            }
        }
        out[index * 2] = wide;
        out[index * 2 + 1] = wide;
    }
    out
}

/// The digits 0 to F in 3x5 dots; bit 0 is the leftmost dot.
const DIGITS: [[u16; 5]; 16] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b011, 0b010, 0b010, 0b111],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b110, 0b100, 0b111],
    [0b101, 0b101, 0b111, 0b100, 0b100],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b101, 0b111],
    [0b111, 0b100, 0b100, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b100, 0b111],
    [0b010, 0b101, 0b111, 0b101, 0b101],
    [0b011, 0b101, 0b011, 0b101, 0b011],
    [0b110, 0b001, 0b001, 0b001, 0b110],
    [0b011, 0b101, 0b101, 0b101, 0b011],
    [0b111, 0b001, 0b011, 0b001, 0b111],
    [0b111, 0b001, 0b011, 0b001, 0b001],
];

/// Returns a box with the code point of a character.
fn code_box(character: char) -> Glyph {
    let code = u32::from(character);
    let columns: usize = if code > 0xFFFF { 3 } else { 2 };
    let mut out = [0; GLYPH_SIDE];
    out[0] = 0x7FFF;
    out[14] = 0x7FFF;
    for row in &mut out[1..14] {
        *row = 0x4001;
    }
    let left = if columns == 3 { 2 } else { 4 };
    for index in 0..columns * 2 {
        let shift = 4 * (columns * 2 - 1 - index);
        let digit = DIGITS[(code >> shift & 0xF) as usize];
        let (column, row) = (index % columns, index / columns);
        for (dy, bits) in digit.into_iter().enumerate() {
            out[2 + row * 6 + dy] |= bits << (left + column * 4);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn every_printable_character_has_its_own_glyph() {
        let mut seen: HashMap<Glyph, char> = HashMap::new();
        for character in ('!'..='~')
            .chain('\u{a1}'..='\u{ff}')
            .chain('\u{400}'..='\u{4ff}')
            .chain('\u{4e00}'..='\u{4fff}')
        {
            if character == '\u{ad}' {
                continue;
            }
            let glyph = glyph(character);
            assert!(glyph.iter().any(|row| *row != 0), "{character:?} is blank");
            if let Some(other) = seen.insert(glyph, character) {
                // The font itself has the same bitmap for these pairs.
                assert!(
                    !character.is_alphanumeric() || !other.is_alphanumeric(),
                    "{character:?} looks like {other:?}"
                );
            }
        }
    }
}
