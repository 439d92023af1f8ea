#!/usr/bin/env python3
"""How long a report page takes: to open, and to answer a filter.

page.py PAGE [--rounds N]: opens the page in headless Chromium, N times anew (9), and prints a table of
- bytes: of the page, and of its cube as base64 and unpacked;
- shown: from the start of the navigation until the figures stand in the page;
- cube: of that, unpacking and reading the cube (measured apart, in the opened page);
- filter: from a click on a value of a filter until the next frame is drawn, for every value of every filter
  (the twelve with the most requests);
- range: the same for hours, each of the seven days that a week has, or as many as there are;
- answer: of these, what the engine takes without any drawing.
Medians, and the largest in brackets; ms by performance.now of the page itself. Needs chromedriver (Debian:
chromium-driver). Nothing is compared and nothing fails: it is for people, on a machine that does nothing else.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request

# Runs before anything of the page: notes when it says that it is ready.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.documentElement.dataset.ready) return;
  window.shownAt = performance.now();
  observer.disconnect();
}).observe(document, {attributes: true, subtree: true, attributeFilter: ['data-ready']});
"""

# Until the frame after next begins, what was changed has been laid out and painted.
MEASURE = """
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
const timed = async (change) => {
  await frame();
  const start = performance.now();
  change();
  await frame();
  return performance.now() - start;
};
while (!window.shownAt) await new Promise((done) => setTimeout(done, 5));
const block = document.getElementById('cube');
const found = {shown: window.shownAt, cube: [], filter: [], range: [], answer: []};
if (!block) return found;
const text = block.textContent;
const start = performance.now();
const cube = await Borehole.open(text);
found.cube.push(performance.now() - start);
const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
found.unpacked = (await new Response(stream).arrayBuffer()).byteLength;
found.base64 = text.length;
const answer = (choice) => {
  const start = performance.now();
  cube.select(choice);
  found.answer.push(performance.now() - start);
};
for (const menu of document.querySelectorAll('.filter')) {
  menu.open = true;
  await frame();
  for (const box of [...menu.querySelectorAll('input[type=checkbox]')].slice(0, 12)) {
    found.filter.push(await timed(() => box.click()));
    box.click();
  }
  menu.open = false;
}
for (const dimension of cube.dimensions) {
  for (const value of cube.values[dimension].slice(0, 12)) answer({from: null, to: null, filter: {[dimension]: [value]}});
}
const [from, to] = ['from', 'to'].map((id) => document.getElementById(id));
const hours = cube.activeHours;
const change = (input, hour) => {
  input.value = new Date(hour * 3600000).toISOString().slice(0, 16);
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
for (let day = hours.first; day <= hours.last && found.range.length < 7; day += 24) {
  document.getElementById('reset').click();
  change(from, day);
  found.range.push(await timed(() => change(to, Math.min(day + 24, hours.last + 1))));
  answer({from: day, to: day + 24});
}
return found;
"""


class Browser:
    """One session with headless Chromium, over WebDriver."""

    def __init__(self, folder):
        driver = shutil.which("chromedriver") or sys.exit("chromedriver is not installed (Debian: chromium-driver)")
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "started successfully on port " in line:
                self.address = f"http://127.0.0.1:{line.split('port ')[1].strip().rstrip('.')}"
                break
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        arguments += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1280,900"]
        wanted = {"browserName": "chrome", "timeouts": {"script": 300_000}, "goog:chromeOptions": {"args": arguments}}
        session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.address += f"/session/{session['sessionId']}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["value"]

    def end(self):
        self.ask("DELETE", "")
        self.process.terminate()
        self.process.wait()


def opened(page):
    """One opening of the page in a browser of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            watch = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": WATCH}}
            browser.ask("POST", "/goog/cdp/execute", watch)
            browser.ask("POST", "/url", {"url": page.resolve().as_uri()})
            script = f"return (async () => {{ {MEASURE} }})();"
            return browser.ask("POST", "/execute/sync", {"script": script, "args": []})
        finally:
            browser.end()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("page", type=pathlib.Path)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments = arguments.parse_args()
    rounds = [opened(arguments.page) for _ in range(arguments.rounds)]
    print(f"{'bytes':8}{arguments.page.stat().st_size:>12,}", end="")
    print("".join(f"   {name} {rounds[0][name]:,}" for name in ("base64", "unpacked") if name in rounds[0]))
    print(f"{'ms':8}{'median':>12}{'largest':>12}{'measured':>12}")
    for name in ("shown", "cube", "filter", "range", "answer"):
        values = [value for one in rounds for value in (one[name] if isinstance(one[name], list) else [one[name]])]
        if values:
            print(f"{name:8}{statistics.median(values):12.1f}{max(values):12.1f}{len(values):12}")


if __name__ == "__main__":
    main()
