//! Closed cells to totals: series, histograms, groups; merge.

pub mod figures;
