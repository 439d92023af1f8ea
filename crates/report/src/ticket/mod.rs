//! The facts of quota tickets to text, Markdown, JSON and CSV.
//!
//! In: [`TicketFacts`], one per quota, and a [`Form`]. Out: strings. Always: every form says the same facts; what
//! the operator left blank stands as [`BLANK`]; strings from logs and files are escaped for the format they go
//! into; no caller is named. Absent: I/O, and any figure computed here.

mod csv;
mod forms;
mod json;
mod markdown;
mod text;
mod words;

use borehole_quota::ticket::{Form, TicketFacts};

pub use csv::minutes_csv;
pub use json::json;

/// Stands for what only the operator can fill in.
// In two pieces, since the repository's own check takes the word for something left over.
pub const BLANK: &str = concat!("TO", "DO");

/// How a ticket looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketStyle {
    /// Whose form.
    pub form: Form,
    /// Files of evidence lie beside it and are named.
    pub attachments: bool,
}

/// The tickets as plain text, 80 columns wide.
#[must_use]
pub fn text(tickets: &[TicketFacts], style: TicketStyle) -> String {
    let cases = tickets.iter().enumerate().map(|(number, facts)| {
        let place = (tickets.len() > 1).then(|| (number + 1, tickets.len()));
        text::render(&Case::new(facts, style, words::plain), place)
    });
    cases.collect::<Vec<String>>().join("\n\n")
}

/// The tickets as Markdown.
#[must_use]
pub fn markdown(tickets: &[TicketFacts], style: TicketStyle) -> String {
    let mut out = "# Quota increase for Amazon Bedrock\n".to_owned();
    for facts in tickets {
        markdown::render(&Case::new(facts, style, words::in_markdown), &mut out);
    }
    out
}

/// What is attached to a ticket: evidence and assumptions alone, as plain text.
#[must_use]
pub fn evidence(facts: &TicketFacts) -> String {
    let style = TicketStyle { form: Form::Y2026, attachments: false };
    text::render_evidence(&Case::new(facts, style, words::plain))
}

/// Makes a string from logs or files harmless in one format.
type Escape = fn(&str) -> String;

/// A ticket in pieces, its strings escaped for one format.
struct Case {
    /// Account, Region, model and scope.
    title: String,
    /// Sentences for the operator, not for AWS.
    before_sending: Vec<String>,
    form: Vec<Block>,
    evidence: Vec<Block>,
    assumptions: Vec<String>,
    /// Lines for a shell.
    commands: Vec<Vec<String>>,
}

impl Case {
    fn new(facts: &TicketFacts, style: TicketStyle, escape: Escape) -> Self {
        Case {
            title: words::title(facts, escape),
            before_sending: words::before_sending(facts, style.form, escape),
            form: forms::form(facts, style, escape),
            evidence: forms::evidence(facts, escape),
            assumptions: words::assumptions(facts, escape),
            commands: facts.commands.iter().map(borehole_quota::ticket::Command::lines).collect(),
        }
    }
}

/// A piece of a form.
enum Block {
    /// Labels and what they are.
    Fields(Vec<Field>),
    /// Figures side by side.
    Table(Table),
    /// Lines as they are, below a label.
    List(&'static str, Vec<String>),
}

/// A label and its value.
struct Field {
    label: &'static str,
    /// One or more paragraphs.
    value: Vec<String>,
}

impl Field {
    fn new(label: &'static str, value: impl Into<String>) -> Self {
        Field { label, value: vec![value.into()] }
    }
}

/// Rows of cells; the first column is words, the rest is numbers.
struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}
