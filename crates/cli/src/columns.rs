//! Plain tables of short lines: texts to the left, numbers to the right, two spaces between.
//!
//! In: rows of text. Out: aligned lines. Always: what comes in is printed as it is, so whoever fills a table with
//! strings of the logs escapes them first. Absent: colours, wrapping, any arithmetic but padding.

pub(crate) use borehole_report::text::counted;

/// How a column is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Aligns rows; each line begins with `indent` spaces and ends without any.
pub(crate) fn aligned(rows: &[Vec<String>], columns: &[Align], indent: usize) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for ((cell, &align), &width) in row.iter().zip(columns).zip(&widths) {
            // A column that is empty in every row takes no place.
            if width == 0 {
                continue;
            }
            let padding = " ".repeat(width - cell.chars().count());
            match align {
                Align::Left => line.extend([cell, &*padding, "  "]),
                Align::Right => line.extend([&*padding, cell, "  "]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `4,812,907`.
pub(crate) fn thousands(value: u64) -> String {
    borehole_report::text::thousands(u128::from(value))
}

/// `812 B`, `4.7 KiB`, `13 MiB`: three digits at most, rounded down.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut power = 0;
    while power + 1 < UNITS.len() && bytes >> (10 * (power + 2)) > 0 {
        power += 1;
    }
    let shift = 10 * (power + 1);
    let whole = bytes >> shift;
    if whole >= 10 {
        return format!("{whole} {}", UNITS[power]);
    }
    let tenths = ((bytes - (whole << shift)) >> (shift - 10)) * 10 / 1_024;
    format!("{whole}.{tenths} {}", UNITS[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_never_larger_than_they_are() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            ((1 << 20) - 1, "1023 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "15 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn columns_line_up_and_empty_ones_vanish() {
        let rows = [["day", "", "n"], ["2024-03-11", "", "12"]].map(|row| row.map(str::to_owned).to_vec());
        let columns = [Align::Left, Align::Left, Align::Right];
        assert_eq!(aligned(&rows, &columns, 1), " day          n\n 2024-03-11  12\n");
    }
}
