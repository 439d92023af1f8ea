//! Chromium without a window, driven over the WebDriver protocol.
//!
//! In: pages on the disk, and scripts to run in them. Out: what the scripts give back, what the page said on its
//! console, what it asked the network for, pictures of it. Always: every name is unknown to the browser, so that no
//! request leaves the machine; it ends with the test, however that ends. Absent: anything that a test can do by a
//! script in the page.
//!
//! chromedriver is a web server that starts the browser. It talks to it through a pipe and not a port, so that
//! nobody else can, and so that the browser ends when the driver does, even where that was killed.

mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::leash::Leash;
use crate::skip::{Skip, or_skip};

/// Starting takes two seconds on an idle machine; this is for one that builds at the same time.
const START_TIME_MAX: Duration = Duration::from_secs(90);

/// A script that takes longer hangs. A page of some MB takes a second on an idle machine.
const SCRIPT_TIME_MAX: Duration = Duration::from_secs(120);

/// Debian's package puts it there; other systems have it somewhere on the path.
const DRIVERS: [&str; 2] = ["/usr/bin/chromedriver", "chromedriver"];

/// The last words before the number of the port, in what the driver says when it is ready.
const PORT_FOLLOWS: &str = "started successfully on port ";

/// Keys that are no characters, as [`Browser::press`] takes them.
pub mod key {
    /// To the next control.
    pub const TAB: char = '\u{e004}';
    /// Does what a button is for.
    pub const ENTER: char = '\u{e007}';
    /// Leaves what is open.
    pub const ESCAPE: char = '\u{e00c}';
    /// To the choice above.
    pub const UP: char = '\u{e013}';
    /// To the choice below.
    pub const DOWN: char = '\u{e015}';
    /// Held down with the key after it.
    pub const SHIFT: char = '\u{e008}';
}

/// How a page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Dark letters on a light ground.
    Light,
    /// Light letters on a dark ground.
    Dark,
    /// As on paper.
    Print,
}

/// A running browser with one page.
pub struct Browser {
    port: u16,
    session: String,
    // Dropped after the session has been ended.
    leash: Leash,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    ///
    /// # Panics
    /// As that error, where `CI` is set.
    pub fn start() -> Result<Self, Skip> {
        Self::try_start().map_err(|reason| Skip::new("Chromium", reason))
    }

    /// As [`Browser::start`]; where it cannot be had, stderr says so and the test ends.
    #[must_use]
    pub fn start_or_skip() -> Option<Self> {
        or_skip(Self::start())
    }

    fn try_start() -> Result<Self, String> {
        let driver = driver().ok_or("chromedriver is not installed (Debian: chromium-driver)")?;
        let directory = tempfile::Builder::new().prefix("borehole-browser-").tempdir();
        let directory = directory.map_err(|cause| cause.to_string())?;
        let place = directory.path().display().to_string();
        // What the browser drops elsewhere goes with the directory, too.
        let variables = [("TMPDIR", place.clone()), ("HOME", place.clone())];
        let arguments = ["--port=0".to_owned()];
        let mut leash = Leash::start(directory, Vec::new(), &driver, &arguments, &variables)?;
        let port = wait_for_port(&mut leash)?;
        let answer = wire::ask(port, "POST", "/session", Some(&capabilities(&place)), START_TIME_MAX)?;
        let session = answer["sessionId"].as_str().ok_or_else(|| format!("no session: {answer}"))?.to_owned();
        let browser = Browser { port, session, leash };
        // It begins with a page of its own, whose requests are none of a test's.
        browser.post("/url", &json!({"url": "about:blank"}));
        let _ = (browser.log("browser"), browser.log("performance"));
        Ok(browser)
    }

    /// Goes to a page on the disk, and waits until it has loaded.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn open(&self, page: &Path) {
        let page = page.canonicalize().unwrap_or_else(|cause| panic!("{}: {cause}", page.display()));
        self.post("/url", &json!({"url": file_url(&page)}));
    }

    /// Runs the body of an asynchronous function in the page, and gives what it returns; its `args` are these.
    ///
    /// # Panics
    /// Where it throws.
    pub fn run(&self, body: &str, args: &[Value]) -> Value {
        self.try_run(body, args).unwrap_or_else(|error| panic!("{error}\nin the script:\n{body}"))
    }

    /// As [`Browser::run`].
    ///
    /// # Errors
    /// What the script throws.
    pub fn try_run(&self, body: &str, args: &[Value]) -> Result<Value, String> {
        let script = format!("const args = [...arguments]; return (async () => {{ {body} }})();");
        self.ask("POST", "/execute/sync", Some(&json!({"script": script, "args": args})))
    }

    /// Presses keys one after the other, wherever the focus is: characters, and those of [`key`].
    pub fn press(&self, keys: impl IntoIterator<Item = char>) {
        let mut actions = Vec::new();
        let mut held = None;
        for pressed in keys {
            actions.push(json!({"type": "keyDown", "value": pressed}));
            if pressed == key::SHIFT {
                held = Some(pressed);
                continue;
            }
            actions.push(json!({"type": "keyUp", "value": pressed}));
            if let Some(held) = held.take() {
                actions.push(json!({"type": "keyUp", "value": held}));
            }
        }
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", &json!({"actions": [keyboard]}));
    }

    /// What was said on the console since this was asked last, errors and refusals of the page's policy among it.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let text = |entry: &Value| format!("{}: {}", entry["level"], entry["message"]);
        self.log("browser").iter().map(text).collect()
    }

    /// The addresses that were asked for since this was asked last, the page's own among them. What the page's own
    /// policy refused was not asked for; the console says so.
    ///
    /// # Panics
    /// Where the driver's log is none.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let mut asked = Vec::new();
        let mut refused = Vec::new();
        for entry in self.log("performance") {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or("null"))
                .unwrap_or_else(|error| panic!("the performance log is no JSON: {error}"));
            let parameters = &message["message"]["params"];
            let address = match message["message"]["method"].as_str() {
                Some("Network.requestWillBeSent") => &parameters["request"]["url"],
                Some("Network.webSocketCreated" | "Network.webTransportCreated") => &parameters["url"],
                Some("Network.loadingFailed") if parameters["blockedReason"] == "csp" => {
                    refused.push(parameters["requestId"].clone());
                    continue;
                }
                _ => continue,
            };
            asked.extend(
                address.as_str().map(|address| (parameters["requestId"].clone(), address.to_owned())),
            );
        }
        asked.retain(|(id, _)| !refused.contains(id));
        asked.into_iter().map(|(_, address)| address).collect()
    }

    /// Makes the window so many CSS pixels large.
    pub fn resize(&self, width: u32, height: u32) {
        self.command("Emulation.clearDeviceMetricsOverride", &json!({}));
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Makes the window a phone of this width in CSS pixels, held upright, with two dots a pixel.
    pub fn resize_to_phone(&self, width: u32) {
        let metrics =
            json!({"width": width, "height": width * 13 / 6, "deviceScaleFactor": 2, "mobile": true});
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Shows pages this way from now on.
    pub fn show(&self, look: Look) {
        let (media, scheme) = match look {
            Look::Light => ("screen", "light"),
            Look::Dark => ("screen", "dark"),
            Look::Print => ("print", "light"),
        };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", &json!({"media": media, "features": features}));
    }

    /// A PNG of what is in the window.
    #[must_use]
    pub fn picture(&self) -> Vec<u8> {
        bytes_of(&self.command("Page.captureScreenshot", &json!({"format": "png"})))
    }

    /// A PNG of the whole page.
    #[must_use]
    pub fn picture_of_all(&self) -> Vec<u8> {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        bytes_of(&self.command("Page.captureScreenshot", &whole))
    }

    /// The page as a PDF, on A4.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let paper = json!({"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": true});
        bytes_of(&self.command("Page.printToPDF", &paper))
    }

    /// A command of the DevTools protocol.
    pub fn command(&self, name: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", &json!({"type": kind}));
        entries.as_array().cloned().unwrap_or_else(|| panic!("no log: {entries}"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, Some(body)).unwrap_or_else(|error| {
            panic!("{path}: {error}\n{}", self.leash.last_words());
        })
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let path = format!("/session/{}{path}", self.session);
        wire::ask(self.port, method, &path, body, SCRIPT_TIME_MAX)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser leaves in order; where it does not, it is killed with its driver.
        let _ = self.ask("DELETE", "", None);
    }
}

fn driver() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.insert(0, PathBuf::new());
    DRIVERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| {
        // A relative name is nothing on its own.
        file.is_absolute() && file.is_file()
    })
}

/// The driver takes a free port itself, and says which.
fn wait_for_port(leash: &mut Leash) -> Result<u16, String> {
    let start = Instant::now();
    loop {
        let said = leash.last_words();
        let port = said.split_once(PORT_FOLLOWS).and_then(|(_, rest)| rest.split_once('.'));
        if let Some((port, _)) = port {
            return port.parse().map_err(|_| format!("no port:\n{said}"));
        }
        if !leash.is_alive() {
            return Err(format!("chromedriver has ended\n{said}"));
        }
        if start.elapsed() > START_TIME_MAX {
            return Err(format!("not ready after {START_TIME_MAX:?}\n{said}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn capabilities(place: &str) -> Value {
    let arguments = [
        "--headless=new",
        // Its sandbox needs what containers do not have; the pages are our own.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
        // Every name is unknown, and so is every address written as a number.
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--hide-scrollbars",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments.push(format!("--user-data-dir={place}/profile"));
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "timeouts": {"script": SCRIPT_TIME_MAX.as_millis() as u64, "pageLoad": SCRIPT_TIME_MAX.as_millis() as u64},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {"args": arguments},
    }}})
}

/// The address of a file: every byte that could mean something else is written as a number.
fn file_url(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// What a command gave back as base64 in `data`.
fn bytes_of(answer: &Value) -> Vec<u8> {
    let text = answer["data"].as_str().unwrap_or_else(|| panic!("no data: {answer}"));
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0u32;
    let mut held = 0;
    for character in text.bytes().filter(|&character| character != b'=') {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("no base64"),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::Builder::new().prefix("a page #1 ").tempdir().unwrap();
        let path = folder.path().join("ü.html");
        std::fs::write(&path, html).unwrap();
        (folder, path)
    }

    #[test]
    fn a_page_is_opened_asked_and_watched() {
        let Some(browser) = Browser::start_or_skip() else { return };
        let (_folder, path) = page(
            "<!doctype html><meta charset=utf-8><title>t</title><button id=b>b</button>\
             <script>b.onclick = () => { window.clicked = true; }; console.error('spoken');</script>\
             <img src='https://example.com/x.png'>",
        );
        browser.open(&path);
        let later = "return new Promise((done) => setTimeout(() => done(args[0] + args[1]), 1));";
        assert_eq!(browser.run(later, &[json!(40), json!(2)]), 42);
        let thrown = browser.try_run("throw new Error('on purpose');", &[]);
        assert!(thrown.as_ref().is_err_and(|error| error.contains("on purpose")), "{thrown:?}");

        let said = browser.console().join("\n");
        assert!(said.contains("spoken") && said.contains("ERR_NAME_NOT_RESOLVED"), "{said}");
        assert_eq!(browser.console(), Vec::<String>::new(), "what was said is said once");
        let requests = browser.requests();
        assert_eq!(requests.len(), 2, "{requests:?}");
        assert!(requests[0].ends_with("%C3%BC.html") && requests[1] == "https://example.com/x.png");

        browser.press([key::TAB, key::ENTER]);
        assert_eq!(browser.run("return window.clicked;", &[]), true);
    }

    #[test]
    fn a_page_is_shown_in_every_way() {
        let Some(browser) = Browser::start_or_skip() else { return };
        let (_folder, path) = page("<!doctype html><title>t</title><p>text");
        browser.open(&path);
        let look = || {
            let asked = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches, \
                         matchMedia('print').matches];";
            browser.run(asked, &[])
        };
        browser.resize(1_280, 800);
        assert_eq!(look(), json!([1_280, false, false]));
        browser.show(Look::Dark);
        assert_eq!(look(), json!([1_280, true, false]));
        browser.show(Look::Print);
        assert_eq!(look(), json!([1_280, false, true]));
        browser.show(Look::Light);
        assert!(
            browser.picture().starts_with(b"\x89PNG") && browser.picture_of_all().starts_with(b"\x89PNG")
        );
        assert!(browser.print().starts_with(b"%PDF"));
    }
}
