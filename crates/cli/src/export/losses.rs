//! The losses of a run as a table: where, how much and why, never what.
//!
//! In: the ledger, with its lines. Out: what `--rejects FILE` lists, a row a line. Always: one more row says how many
//! lines are not listed, where there are more than are kept.

use borehole_scan::Ledger;
use borehole_store::EscapedKey;
use borehole_table::columns::Table;

/// The table.
pub(crate) fn table(ledger: &Ledger) -> Table {
    let lines = &ledger.lines;
    // The row that says how many more.
    let more = (ledger.lines_dropped > 0).then_some(ledger.lines_dropped);
    let keys: Vec<String> = lines.iter().map(|line| EscapedKey(&line.key).to_string()).collect();
    let mut table = Table::new(lines.len() + usize::from(more.is_some()));
    table.text("class", lines.iter().map(|line| Some(line.class)).chain(more.map(|_| Some("more"))));
    table.text("reason", lines.iter().map(|line| Some(line.reason)).chain(more.map(|_| None)));
    table.text("source", lines.iter().map(|line| Some(line.source.as_str())).chain(more.map(|_| None)));
    table.text("key", keys.iter().map(|key| Some(key.as_str())).chain(more.map(|_| None)));
    table.natural("offset", lines.iter().map(|line| line.offset).chain(more.map(|_| None)));
    table.natural("bytes", lines.iter().map(|line| line.bytes).chain(more.map(|_| None)));
    table.natural("n", lines.iter().map(|_| None).chain(more.map(Some)));
    table
}
