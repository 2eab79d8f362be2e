//! Scaling down by averaging areas, in integers.

/// Scales packed RGB of `from` pixels down to `to`, which is not larger on either side.
///
/// Each pixel is the mean of the area that it covers.
pub(crate) fn scale_down(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let rows = across(rgb, from.0, to.0);
    down(&rows, to.0 * 3, from.1, to.1)
}

/// The pieces of the old line that one pixel of the new one covers, in units that make a whole pixel of
/// the old line `new` wide and one of the new line `old` wide: exact in integers.
fn covered(old: usize, new: usize, at: usize) -> impl Iterator<Item = (usize, u64)> {
    let (from, to) = (at * old, (at + 1) * old);
    (from / new..to.div_ceil(new)).map(move |i| {
        let piece = (to.min((i + 1) * new)) - from.max(i * new);
        (i, piece as u64)
    })
}

fn across(rgb: &[u8], old: usize, new: usize) -> Vec<u8> {
    let pieces: Vec<Vec<(usize, u64)>> = (0..new).map(|at| covered(old, new, at).collect()).collect();
    let mut out = Vec::with_capacity(rgb.len() / old * new);
    for row in rgb.chunks_exact(old * 3) {
        for pieces in &pieces {
            let mut sum = [0_u64; 3];
            for &(i, weight) in pieces {
                for (sum, &value) in sum.iter_mut().zip(&row[i * 3..i * 3 + 3]) {
                    *sum += u64::from(value) * weight;
                }
            }
            out.extend(sum.map(|sum| mean(sum, old)));
        }
    }
    out
}

fn down(rows: &[u8], stride: usize, old: usize, new: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(stride * new);
    let mut sums = vec![0_u64; stride];
    for at in 0..new {
        sums.fill(0);
        for (i, weight) in covered(old, new, at) {
            for (sum, &value) in sums.iter_mut().zip(&rows[i * stride..(i + 1) * stride]) {
                *sum += u64::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| mean(sum, old)));
    }
    out
}

/// The weights of one pixel sum up to `whole`.
fn mean(sum: u64, whole: usize) -> u8 {
    let whole = whole as u64;
    u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX)
}
