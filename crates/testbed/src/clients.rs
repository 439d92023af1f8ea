//! Clients of the Model Context Protocol that others wrote: the SDK for Python, and the inspector.
//!
//! In: nothing. Out: commands that run them. Always: they are of one version, and neither Python nor Node.js is changed
//! by them. Absent: what is asked of a server, which is the caller's.

use std::process::Command;

use crate::install::{MCP_INSPECTOR, MCP_SDK, install, install_from_npm};
use crate::skip::{Skip, or_skip};

/// Python that finds the package `mcp`, still without a script.
///
/// # Errors
/// Where it cannot be installed.
///
/// # Panics
/// As that error, where `CI` is set.
pub fn mcp_sdk() -> Result<Command, Skip> {
    let installed = install(&MCP_SDK).map_err(|reason| Skip::new("the Python SDK of MCP", reason))?;
    let (python, variables) = installed.python();
    let mut command = Command::new(python);
    command.envs(variables);
    Ok(command)
}

/// As [`mcp_sdk`]; where it cannot be had, stderr says so and the test ends.
#[must_use]
pub fn mcp_sdk_or_skip() -> Option<Command> {
    or_skip(mcp_sdk())
}

/// The inspector in the mode that prints one answer, still without a method and without the server's command line.
///
/// # Errors
/// Where it, or the Node.js that runs it, cannot be installed.
///
/// # Panics
/// As that error, where `CI` is set.
pub fn mcp_inspector() -> Result<Command, Skip> {
    let installed = install_from_npm(&MCP_INSPECTOR);
    let (node, directory) = installed.map_err(|reason| Skip::new("the inspector of MCP", reason))?;
    let inspector = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    let mut command = Command::new(node);
    command.arg(directory.join(inspector)).arg("--cli");
    Ok(command)
}

/// As [`mcp_inspector`]; where it cannot be had, stderr says so and the test ends.
#[must_use]
pub fn mcp_inspector_or_skip() -> Option<Command> {
    or_skip(mcp_inspector())
}
