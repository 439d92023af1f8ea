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

/// `812 B`, `4.70 kB`, `13.0 MB`: powers of ten and three digits, as reports have it.
pub(crate) fn size(bytes: u64) -> String {
    borehole_report::text::bytes(u128::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_reports() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.00 kB"),
            (1_024, "1.02 kB"),
            (999_999, "1.00 MB"),
            (1 << 20, "1.05 MB"),
            (12_400_000_000, "12.4 GB"),
            (3_000_000_000_000, "3.00 TB"),
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
