//! Scaling down by averaging areas, in integers.

/// Scales packed RGB of `from` pixels down to `to`, which is not larger on either side.
///
/// Each pixel is the mean of the area that it covers.
pub(crate) fn scale_down(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let rows = scale_rows(rgb, from.0, to.0);
    scale_columns(&rows, to.0 * 3, from.1, to.1)
}

/// Returns the pixels of an old line that pixel `at` of the new line covers, with their weights.
///
/// In the unit of the weights a pixel of the old line is `new` wide and one of the new line `old` wide, so that all
/// weights are exact integers.
fn covered_pixels(old: usize, new: usize, at: usize) -> impl Iterator<Item = (usize, u64)> {
    let (from, to) = (at * old, (at + 1) * old);
    (from / new..to.div_ceil(new)).map(move |i| {
        let weight = (to.min((i + 1) * new)) - from.max(i * new);
        (i, weight as u64)
    })
}

/// Scales each row.
fn scale_rows(rgb: &[u8], old: usize, new: usize) -> Vec<u8> {
    let covered: Vec<Vec<(usize, u64)>> = (0..new)
        .map(|at| covered_pixels(old, new, at).collect())
        .collect();
    let mut out = Vec::with_capacity(rgb.len() / old * new);
    for row in rgb.chunks_exact(old * 3) {
        for pixels in &covered {
            let mut sum = [0_u64; 3];
            for &(i, weight) in pixels {
                for (sum, &value) in sum.iter_mut().zip(&row[i * 3..i * 3 + 3]) {
                    *sum += u64::from(value) * weight;
                }
            }
            out.extend(sum.map(|sum| mean(sum, old)));
        }
    }
    out
}

/// Scales each column.
fn scale_columns(rows: &[u8], stride: usize, old: usize, new: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(stride * new);
    let mut sums = vec![0_u64; stride];
    for at in 0..new {
        sums.fill(0);
        for (i, weight) in covered_pixels(old, new, at) {
            for (sum, &value) in sums.iter_mut().zip(&rows[i * stride..(i + 1) * stride]) {
                *sum += u64::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| mean(sum, old)));
    }
    out
}

/// Returns a rounded weighted mean. The weights add up to `total`.
fn mean(sum: u64, total: usize) -> u8 {
    let total = total as u64;
    u8::try_from((sum + total / 2) / total).unwrap_or(u8::MAX)
}
