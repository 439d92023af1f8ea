//! The ten tools: names, schemas, arguments, and the shape of every answer.
//!
//! In: a tool's name and arguments as a client gives them, and an [`Engine`]. Out: structured content. Always: a call
//! is checked once, when it is parsed, by the table that its schema is made from; equal calls are equal however their
//! arguments were written. Absent: frames, threads, and any figure computed here.

use serde_json::{Map, Value};

use crate::engine::{Engine, Failure, Watch};

/// What a client is told of a tool.
pub(crate) struct Definition {
    /// What it is called by.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For whoever chooses between tools.
    pub description: &'static str,
    /// What it takes.
    pub input_schema: Map<String, Value>,
    /// What it answers, while scanning and when complete.
    pub output_schema: Map<String, Value>,
    /// Whether it changes nothing anywhere.
    pub is_read_only: bool,
    /// Whether a second equal call changes nothing more.
    pub is_idempotent: bool,
}

/// All tools, in the order in which they are shown.
pub(crate) fn definitions() -> Vec<Definition> {
    Vec::new()
}

/// A call whose arguments are sound. Equal calls have one answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Call {}

/// Why a call is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unparsed {
    /// There is no such tool.
    UnknownTool,
    /// What is wrong with the arguments, in sentences that name them; harmless to a terminal.
    Arguments(String),
}

/// What a call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// The logs are read: one call at a time.
    Reading,
    /// Single objects, beside the readings.
    Objects,
}

impl Call {
    /// The call of a tool with these arguments.
    ///
    /// # Errors
    /// For a tool that there is not, and for arguments that its schema does not allow.
    pub(crate) fn parse(_tool: &str, _arguments: &Map<String, Value>) -> Result<Call, Unparsed> {
        Err(Unparsed::UnknownTool)
    }

    /// The name of the tool.
    pub(crate) fn tool(&self) -> &'static str {
        ""
    }

    /// The arguments with defaults, moments and numbers in one spelling: parsed again, they are this call.
    pub(crate) fn arguments(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What it waits for.
    pub(crate) fn lane(&self) -> Lane {
        Lane::Reading
    }

    /// The whole structured content, `"status": "complete"` included. Blocks.
    ///
    /// # Errors
    /// Those of the engine, as they are.
    pub(crate) fn answer(&self, _engine: &dyn Engine, _watch: &Watch) -> Result<Map<String, Value>, Failure> {
        Ok(Map::new())
    }
}
