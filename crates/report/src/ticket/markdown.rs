//! A ticket as Markdown: one section per quota, tables for the form and the evidence.

use super::{Block, Case, Table};

/// Adds the section of one quota.
pub(super) fn render(case: &Case, out: &mut String) {
    heading(2, &case.title, out);
    heading(3, "Before sending", out);
    bullets(&case.before_sending, out);
    heading(3, "Ticket", out);
    blocks(&case.form, out);
    heading(3, "Evidence", out);
    blocks(&case.evidence, out);
    heading(3, "Assumptions", out);
    bullets(&case.assumptions, out);
    if !case.commands.is_empty() {
        heading(3, "Commands", out);
        out.push_str("Borehole never runs them.\n\n```console\n");
        for line in case.commands.iter().flatten() {
            out.push_str(line);
            out.push('\n');
        }
        out.push_str("```\n");
    }
}

fn heading(level: usize, text: &str, out: &mut String) {
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    out.push_str(&format!("{} {text}\n\n", "#".repeat(level)));
}

fn bullets(sentences: &[String], out: &mut String) {
    for sentence in sentences {
        out.push_str(&format!("- {sentence}\n"));
    }
}

fn blocks(blocks: &[Block], out: &mut String) {
    for (at, block) in blocks.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        match block {
            Block::Fields(fields) => {
                out.push_str("| Item | Value |\n|---|---|\n");
                for field in fields {
                    out.push_str(&format!("| {} | {} |\n", field.label.trim(), field.value.join("<br>")));
                }
            }
            Block::Table(table) => lay_out_table(table, out),
            Block::List(label, lines) => {
                out.push_str(&format!("{label}:\n\n"));
                bullets(lines, out);
            }
        }
    }
}

fn lay_out_table(table: &Table, out: &mut String) {
    out.push_str(&format!("| {} |\n|---|", table.header.join(" | ")));
    out.push_str(&"---:|".repeat(table.header.len() - 1));
    out.push('\n');
    for row in &table.rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
}
