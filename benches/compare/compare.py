#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = []
# ///
"""Borehole beside the floor and beside other tools, in interleaved rounds.

In: a release binary of `borehole`, those of `bare` and `untrapped`, and corpora that `borehole synth` makes (or that
are there already). Out: `compare.json` with every sample, command, version and the machine, and `compare.md` with
finished tables. Always: no figure is kept of a run whose answer was not the expected one; whatever is compared ran
within the same rounds, in an order that turns around with each; a ratio is the median of the ratios within a round,
with a bootstrap interval of 95 %. Absent: any cleaning of caches; all is read warm.

    benches/compare/compare.py --binary target/release/borehole
    benches/compare/compare.py --parts floors,large --rounds 5 --corpora /tmp/corpora

The peers run in a virtual environment below the corpora's directory, made where the versions in
`peers/requirements.txt` are not those of the interpreter.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
import zlib

import reference

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PEERS = HERE / "peers"

PARTS = ("agree", "floors", "peers", "large", "scaling")

# The three corpora: layout, profile, requests and seed. Small and mixed have about 1.5 GB of records, split 200,000 files.
CORPORA = {
    "mixed": ("aws", "mixed", 65_000, 5),
    "small": ("aws", "small", 302_000, 6),
    "split": ("split", "small", 50_000, 7),
}

# Requests of the corpora without traps, on which all tools must say what the truth says.
UNTRAPPED_REQUESTS = {"mixed": 5_000, "small": 20_000, "split": 3_000}

# A tool that takes longer than this is slow, in seconds: it runs in a few of the rounds only.
SLOW_SECONDS = 6.0

# Where no goal was set a third of the rounds will do, so that a whole run takes less than half an hour.
LESSER = 3

# What was set out for: (part, corpus or tool) to the ratio, which is an upper bound for floors and a lower one for peers.
FLOOR_GOALS = {"mixed": 1.10, "small": 1.15, "split": 1.25, "large": 1.15}
PEER_GOALS = {"chdb": 1.9, "polars": 3.1, "duckdb": 4.5}
MEMORY_GOAL_BYTES = 96 << 20

# Decoded bytes of the large object.
LARGE_BYTES = 600_000_000

# Shapes that a reader of gzipped JSON lines cannot be expected to read. Each peer's page says which it cannot.
ODD = {"empty", "plain", "padding", "array", "pretty", "concatenated", "bom", "utf8", "surrogate", "gzip_named_json"}
REFUSED = {
    "chdb": ODD | {"escaped_keys"},
    "polars": ODD,
    "duckdb": ODD,
    "duckdb-fed": ODD,
    "python": set(),
    "python-join": set(),
    "jq": {"bom", "surrogate", "plain", "empty"},
}

# What each peer is, for the table.
CONFIGURATIONS = {
    "chdb": "`file(…, 'JSONEachRow')` with explicit columns, `max_threads` 2",
    "polars": "`scan_ndjson` with a schema, of the split layout `read_ndjson` of 2,000 joined files at a time from 2 Python "
              "threads, `POLARS_MAX_THREADS` 2",
    "duckdb": "`read_json` with explicit columns, 2 threads",
    "duckdb-fed": "inflated by libdeflate in 2 Python threads, lines as Arrow, `json_extract_string`, 2 threads",
    "python": "orjson and libdeflate, 2 processes",
    "python-join": "the same, and of the split layout all four documents of a request, read, parsed and joined by id",
    "jq": "`xargs -P2` over zcat and jq, one jq over the rows",
}

# The part of a processor that anything else may have had for a machine to be called quiet.
OTHERS_MAX = 0.1

# Bootstrap resamples: enough that the ends of the interval do not move by a digit that is printed.
RESAMPLES = 4_000


class Failed(Exception):
    """Something that makes the whole run worthless: it ends it."""


def main():
    """The table of contents."""
    arguments = parse()
    run = Run(arguments)
    corpora = {name: Corpus.make(run, name) for name in arguments.only}
    parts = {"agree": agree, "floors": floors, "peers": peers, "large": large, "scaling": scaling}
    for part in arguments.parts:
        run.say(f"== {part} (load {os.getloadavg()[0]:.2f})")
        parts[part](run, corpora)
    run.write()


def parse():
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    parser.add_argument("--binary", type=pathlib.Path, default=target / "release/borehole", help="borehole")
    parser.add_argument("--floors", type=pathlib.Path, default=target / "release", help="where bare and untrapped are")
    parser.add_argument("--corpora", type=pathlib.Path, default=target / "compare", help="made there where missing")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=",".join(PARTS))
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CORPORA), help=",".join(CORPORA))
    parser.add_argument("--tools", type=lambda text: text.split(","), default=list(REFUSED), help=",".join(REFUSED))
    parser.add_argument("--rounds", type=int, default=21, help="of the quick tools (21)")
    parser.add_argument("--slow-rounds", type=int, default=2, help="of the slow tools (2)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the corpora's sizes, for a trial")
    parser.add_argument("--output", type=pathlib.Path, help="directory of the results (benches/runs/<date>)")
    arguments = parser.parse_args()
    known = ((arguments.parts, PARTS), (arguments.only, CORPORA), (arguments.tools, REFUSED))
    for names, allowed in known:
        if wrong := [name for name in names if name not in allowed]:
            parser.error(f"{wrong[0]} is none of {', '.join(allowed)}")
    arguments.parts.sort(key=PARTS.index)
    if arguments.output is None:
        arguments.output = REPOSITORY / "benches/runs" / time.strftime("%Y-%m-%d")
    return arguments


class Run:
    """The arguments, and what is found out."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.binary = str(arguments.binary.resolve())
        self.bare = str((arguments.floors / "bare").resolve())
        self.untrapped = str((arguments.floors / "untrapped").resolve())
        for program in (self.binary, self.bare, self.untrapped):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is missing: build it first, see benches/README.md")
        self.work = arguments.corpora.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.python = peer_python(self.work)
        self.result = {"arguments": {name: str(value) for name, value in vars(arguments).items()},
                       "machine": machine(), "versions": versions(self), "corpora": {}, "samples": []}
        self.tables = []

    @staticmethod
    def say(text):
        """Talk, on stderr."""
        print(text, file=sys.stderr, flush=True)

    def measure(self, command):
        """Runs a command: its cost, and what it printed. A failing one ends everything."""
        out, err = self.work / "stdout", self.work / "stderr"
        wrapped = [sys.executable, "-S", "-E", str(HERE / "measure.py"), str(out), str(err), *command]
        cost = json.loads(subprocess.run(wrapped, check=True, capture_output=True).stdout)
        if cost["exit"] != 0:
            raise Failed(f"{' '.join(command)[:400]}: exit code {cost['exit']}\n{err.read_text()[-2000:]}")
        cost["cpu"] = cost["user"] + cost["system"]
        return cost, out.read_text()

    def rounds(self, group, contestants, share=1):
        """Interleaved rounds of named (command, check); `check` takes what was printed and says what it told of itself.

        The first round warms up and is not kept. A contestant that was slow in it takes part in `--slow-rounds` only.
        There are `--rounds` of them, or a share (1/`share`).
        """
        total = -(-self.arguments.rounds // share)
        few, names = min(self.arguments.slow_rounds, total), list(contestants)
        warm = {name: self.once(group, name, contestants[name], None) for name in names}
        slow = {name for name in names if warm[name]["wall"] > SLOW_SECONDS}
        samples = {name: {} for name in names}
        for number in range(total):
            # The slow ones' rounds lie evenly among the others.
            is_slow_round = number * few // total != (number - 1) * few // total
            for name in names if number % 2 == 0 else reversed(names):
                if name not in slow or is_slow_round:
                    samples[name][number] = self.once(group, name, contestants[name], number)
        for name in names:
            walls = [sample["wall"] for sample in samples[name].values()]
            self.say(f"  {group} {name}: {statistics.median(walls):.3f} s, {len(walls)} rounds")
        return samples

    def once(self, group, name, contestant, number):
        """One run of one contestant, kept with the samples."""
        command, check = contestant
        cost, printed = self.measure(command)
        cost.update(check(printed) or {})
        self.result["samples"].append({"group": group, "name": name, "round": number, **cost})
        self.result.setdefault("commands", {})[f"{group}: {name}"] = " ".join(command)
        return cost

    def write(self):
        """The two files of the results."""
        self.result["load_after"] = os.getloadavg()
        output = self.arguments.output
        output.mkdir(parents=True, exist_ok=True)
        (output / "compare.json").write_text(json.dumps(self.result, indent=1) + "\n")
        text = "\n".join([*heading(self.result), *self.tables]) + "\n"
        (output / "compare.md").write_text(text)
        print(text)
        self.say(f"written: {output}/compare.json, {output}/compare.md")


class Corpus:
    """A dump, its truth, its reference, and how Borehole is asked about it."""

    def __init__(self, name, root, layout, items):
        self.name, self.root, self.layout, self.items = name, root, layout, items
        self.truth = json.loads((root / "truth.json").read_text())["resolved"]
        self.decoded_bytes = sum(item.decoded_bytes for item in items)
        self.expected = None

    @staticmethod
    def make(run, name):
        """A corpus with traps; synthesized where it is not there."""
        layout, profile, requests, seed = CORPORA[name]
        root = run.work / name
        if not (root / "truth.json").exists():
            run.say(f"making {root}")
            requests = max(500, int(requests * run.arguments.scale))
            subprocess.run([run.binary, "synth", str(root), "-q", "--layout", layout, "--profile", profile,
                            "--requests", str(requests), "--seed", str(seed)], check=True)
        corpus = Corpus.read(run, name, root, layout)
        shapes = collections.Counter(shape for item in corpus.items for shape in item.shapes)
        run.result["corpora"][name] = {
            "options": json.loads((root / "truth.json").read_text())["options"],
            "record_objects": len(corpus.items),
            "decoded_bytes": corpus.decoded_bytes,
            "shapes": dict(shapes),
        }
        return corpus

    @staticmethod
    def read(run, name, root, layout):
        """A dump that is there. What was read of it is kept beside it, under the time of its truth."""
        stamp = int((root / "truth.json").stat().st_mtime)
        run.say(f"reading {root}")
        items = reference.read(str(root), layout, run.work / f"{name}-{stamp}.pickle")
        return Corpus(name, root, layout, items)

    def tools(self, run):
        """The peers that have something to do here."""
        return [tool for tool in run.arguments.tools if tool != "python-join" or self.layout == "split"]

    def analyze(self, run, *options):
        """How Borehole is asked, and the check of its answer: the truth at first, then always the same bytes."""
        return [run.binary, "analyze", str(self.root), "-q", "--format", "json", *options], self.check_report

    def check_report(self, printed):
        """A report must be the truth's; from the second on it is enough that it says the same as the first."""
        report = json.loads(printed)
        elapsed = report.pop("run")["elapsed_ms"]
        text = json.dumps(report)
        if self.expected is None:
            for part in ("health", "totals", "groups"):
                expect(f"{self.name}: {part} of the report", *without_findings(report[part], self.truth[part]))
            self.expected = text
        expect(f"{self.name}: the report of another round", text, self.expected)
        return {"question_seconds": elapsed / 1_000}

    def question(self, run, tool):
        """The command of a peer, the check of its answer, and the share of the decoded bytes that it can read."""
        readable = [item for item in self.items if not item.shapes & REFUSED[tool]]
        refused = [item.path for item in self.items if item.shapes & REFUSED[tool]]
        asked = run.work / f"{self.name}-{tool}.json"
        asked.write_text(json.dumps({"root": str(self.root), "layout": self.layout,
                                     "read": [item.path for item in readable], "refused": refused}))
        answer = reference.answer(readable)

        def check(printed):
            told = json.loads(printed)
            compare_answers(f"{self.name}: {tool}", told["groups"], answer)
            if tool == "python-join":
                # Of a request some documents may be missing, but not most.
                expect(f"{self.name}: {tool}: joined documents", told["joined"] > 2.5 * len(readable), True)
            return {"question_seconds": told["seconds"]} if "seconds" in told else {}

        share = sum(item.decoded_bytes for item in readable) / self.decoded_bytes
        requests = sum(figures["requests"] for figures in answer.values())
        return peer_command(run, tool, asked, self.layout), check, share, requests


def without_findings(reported, true):
    """Both without what the truth does not hold: it has no findings, and no member that it does not know."""
    if isinstance(true, dict) and isinstance(reported, dict):
        return {name: without_findings(reported.get(name), true[name])[0] for name in true}, true
    if isinstance(true, list) and isinstance(reported, list) and len(true) == len(reported):
        return [without_findings(one, other)[0] for one, other in zip(reported, true)], true
    return reported, true


def expect(what, found, wanted):
    """They are equal, or all ends."""
    if found != wanted:
        raise Failed(f"{what} is not what was expected\n found:  {str(found)[:600]}\n wanted: {str(wanted)[:600]}")


def compare_answers(what, groups, answer):
    """A peer's groups are those of the reference, figure by figure."""
    found = {(group["model"], group["region"]): group for group in groups}
    expect(f"{what}: the groups", sorted(found, key=str), sorted(answer, key=str))
    for key, wanted in answer.items():
        group = found[key]
        expect(f"{what}: {key}", {name: group[name] for name in wanted}, wanted)
        for side in ("input", "output"):
            known, average = wanted[f"{side}_known"], group[f"{side}_average"]
            is_right = average is None if not known else abs(average - wanted[side] / known) < 1e-6 * average + 1e-9
            expect(f"{what}: {side} average of {key}", is_right, True)


def peer_command(run, tool, asked, layout):
    """How a peer is started."""
    if tool == "jq":
        names = asked.with_suffix(".txt")
        names.write_text("".join(f"{path}\n" for path in json.loads(asked.read_text())["read"]))
        return [str(PEERS / "jq.sh"), str(names), reference.MODEL_PREFIX, str(reference.HIGH_TOKENS), layout]
    script, *options = {"duckdb": ("duckdb", "native"), "duckdb-fed": ("duckdb", "fed"),
                        "python-join": ("python", "join")}.get(tool, (tool,))
    return [run.python, str(PEERS / f"{script}_peer.py"), str(asked), *options]


# -- The parts ---------------------------------------------------------------------------------------------------------


def agree(run, _):
    """On corpora without traps the truth, the reference, Borehole and every peer say the same, figure by figure."""
    lines = ["", "## Agreement", "",
             "Corpora without traps; every tool reads every object, and each figure of each group must be the same.", ""]
    for name in run.arguments.only:
        layout, profile, _, _ = CORPORA[name]
        root = run.work / f"untrapped-{name}"
        requests = max(500, int(UNTRAPPED_REQUESTS[name] * min(1.0, run.arguments.scale * 10)))
        if not (root / "truth.json").exists():
            subprocess.run([run.untrapped, str(root), layout, profile, str(requests)], check=True)
        corpus = Corpus.read(run, root.name, root, layout)
        answer = reference.answer(corpus.items)
        truth = {"requests": corpus.truth["totals"]["requests"]["attempted"],
                 "successful": corpus.truth["totals"]["requests"]["successful"],
                 "high": corpus.truth["totals"]["high_token"]["by_input"]["requests"],
                 **{field: corpus.truth["totals"]["tokens"][field]
                    for field in ("input", "output", "cache_read", "cache_write", "input_known", "output_known")}}
        for field, wanted in truth.items():
            expect(f"{name}: {field} of the reference", sum(row[field] for row in answer.values()), wanted)
        command, check = corpus.analyze(run)
        check(run.measure(command)[1])
        command, _ = corpus.analyze(run, "--by", "region,model")
        expect(f"{name}: Borehole by Region and model", borehole_answer(run.measure(command)[1]), rounded(answer))
        for tool in corpus.tools(run):
            command, check, share, _ = corpus.question(run, tool)
            expect(f"{name}: the share that {tool} reads", share, 1.0)
            check(run.measure(command)[1])
        lines.append(f"- `{name}`: {truth['requests']:,} requests in {len(corpus.items):,} objects, "
                     f"{len(answer)} groups: truth, reference, Borehole and {', '.join(run.arguments.tools)} agree.")
        run.say(lines[-1])
    run.tables += lines


def borehole_answer(printed):
    """The groups of a report in the fields of the reference."""
    answer = {}
    for group in json.loads(printed)["groups"]:
        tokens, inputs = group["tokens"], group["distributions"].get("input_tokens", {})
        answer[group["key"]["model"], group["key"]["region"]] = {
            "requests": group["requests"]["attempted"], "successful": group["requests"]["successful"],
            "input": tokens["input"], "input_known": tokens["input_known"],
            "output": tokens["output"], "output_known": tokens["output_known"],
            "cache_read": tokens["cache_read"], "cache_write": tokens["cache_write"],
            "high": group["high_token"]["by_input"]["requests"],
            **{name: inputs.get(name) for name in ("p50", "p90", "p99")},
            "peak_requests": group["requests_per_minute"]["peak"],
            "peak_tokens": group["tokens_per_minute"]["peak"]}
    return answer


def rounded(answer):
    """The reference with percentiles that equal what Borehole's 3 digits make of them."""
    return {key: {name: Percentile(value) if name in ("p50", "p90", "p99") and value is not None else value
                  for name, value in figures.items()} for key, figures in answer.items()}


class Percentile(int):
    """An exact percentile that equals itself and what is greater in its bucket: Borehole gives the bucket's highest value.

    Buckets are exact below 2,048; above, a power of two has 1,024 of them. Borehole goes no higher than the maximum,
    which is not known here, so any of these values will do.
    """

    def __eq__(self, other):
        shift = max(0, int(self).bit_length() - 11)
        return isinstance(other, int) and int(self) <= int(other) and int(self) >> shift == int(other) >> shift

    __hash__ = int.__hash__


def floors(run, corpora):
    """Borehole's full report beside reading, or reading and inflating, the same files on as many threads."""
    rows = []
    for corpus in corpora.values():
        mode = "read" if corpus.layout == "split" else "inflate"
        bare = ([run.bare, mode, str(corpus.root), "--threads", "2"], check_floor(f"{corpus.name}: bare {mode}"))
        samples = run.rounds(f"floors/{corpus.name}", {"borehole": corpus.analyze(run), f"bare {mode}": bare})
        rows.append(floor_row(corpus.name, f"bare {mode}", samples, FLOOR_GOALS[corpus.name]))
    run.tables += ["", "## Beside the floor", "",
                   "The full report (de-duplication, ledger, facts of bodies and payloads) to the time of listing, "
                   "reading and, for gzip, inflating the same files with libdeflate on 2 threads.",
                   "The second ratio leaves listing and starting out of the floor, though not out of Borehole.", "",
                   *floor_table(rows)]


def check_floor(what):
    """The check of `bare`: the same work each time."""
    seen = {}

    def check(printed):
        told = json.loads(printed)
        work = {name: value for name, value in told.items() if not name.endswith("seconds")}
        expect(f"{what}: the work of another round", work, seen.setdefault("work", work))
        return {**work, "question_seconds": told["work_seconds"]}

    return check


def floor_row(name, floor, samples, goal):
    """One row of the table of floors."""
    ours, theirs = samples["borehole"], samples[floor]
    ratio = ratios(ours, theirs, "wall", "wall")
    return {"name": name, "floor": floor, "goal": goal, "ratio": ratio,
            "to_work": ratios(ours, theirs, "wall", "question_seconds"), "cpu": ratios(ours, theirs, "cpu", "cpu"),
            "ours": middle(ours, "wall"), "theirs": middle(theirs, "wall"),
            "peak": max(sample["peak_bytes"] for sample in ours.values()), "rounds": len(ours)}


def floor_table(rows):
    """Markdown; the worst row by its goal is bold."""
    worst = max(rows, key=lambda row: row["ratio"][0] / row["goal"])
    lines = ["| corpus | floor | floor, s | borehole, s | ratio (95 %) | goal | to the work alone | CPU ratio | "
             "peak memory | rounds |", "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        name = f"**{row['name']}** (worst)" if row is worst else row["name"]
        memory = f"{row['peak'] / (1 << 20):.0f} MiB" + ("" if row["peak"] <= MEMORY_GOAL_BYTES else " (over 96)")
        lines.append(f"| {name} | {row['floor']} | {row['theirs']:.3f} | {row['ours']:.3f} | {interval(row['ratio'])} | "
                     f"≤ {row['goal']:.2f}: {verdict(row['ratio'][0] <= row['goal'])} | {interval(row['to_work'])} | "
                     f"{interval(row['cpu'])} | {memory} | {row['rounds']} |")
    return lines


def peers(run, corpora):
    """Borehole beside the other tools on one question, which they answer over the objects that they can read."""
    rows = []
    for corpus in corpora.values():
        contestants, about = {"borehole": corpus.analyze(run)}, {}
        for tool in corpus.tools(run):
            command, check, share, requests = corpus.question(run, tool)
            contestants[tool] = (command, check)
            about[tool] = (share, requests)
        samples = run.rounds(f"peers/{corpus.name}", contestants, 1 if corpus.name == "mixed" else LESSER)
        truth = corpus.truth["totals"]["requests"]["attempted"]
        for tool, (share, requests) in about.items():
            ours, theirs = samples["borehole"], samples[tool]
            rows.append({"corpus": corpus.name, "tool": tool, "share": share, "requests": requests, "truth": truth,
                         "goal": PEER_GOALS.get(tool) if corpus.name == "mixed" else None,
                         "ours": middle(ours, "wall"), "theirs": middle(theirs, "wall"),
                         "ratio": ratios(theirs, ours, "wall", "wall"), "cpu": ratios(theirs, ours, "cpu", "cpu"),
                         "question": None if tool == "jq" else ratios(theirs, ours, "question_seconds", "wall"),
                         "peak": max(sample["peak_bytes"] for sample in theirs.values()),
                         "our_peak": max(sample["peak_bytes"] for sample in ours.values()), "rounds": len(theirs)})
    run.tables += ["", "## Beside other tools", "", *PEER_NOTES, "", *peer_table(rows), "", "How each is set up:", "",
                   *(f"- {tool}: {CONFIGURATIONS[tool]}; cannot read: "
                     f"{', '.join(sorted(REFUSED[tool])) or 'nothing of it'}." for tool in run.arguments.tools)]


PEER_NOTES = (
    "Question: by model and Region, without copies: requests, sums and averages of tokens, p50, p90 and p99 of input "
    "tokens, requests above 25,000, busiest minutes.",
    "Borehole answers it, and the rest of its report, over all objects and payloads; a peer over the record objects that "
    "it can read, of the split layout the invocation documents alone (a quarter of the files; `python-join` reads all).",
    "Peers leave out token counts that stand only in bodies or payloads, accounts and Regions that only the key names, "
    "and copies' window of an hour (they drop the copies of a request id of the whole range).",
    "Their answers are exactly the reference's for what they read; the percentiles are exact, Borehole's have 3 digits.",
    "“Question alone” is the peer's time once it is loaded, to Borehole's whole run. Of tools with several processes, "
    "memory is that of the largest.",
)


def peer_table(rows):
    """Markdown; the peer that comes nearest is bold."""
    worst = min(rows, key=lambda row: row["ratio"][0])
    lines = ["| corpus | tool | bytes read | requests | tool, s | borehole, s | tool / borehole (95 %) | goal | "
             "question alone | CPU | peak memory (ours) | rounds |", "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        name = f"**{row['tool']}** (nearest)" if row is worst else row["tool"]
        goal = f"≥ {row['goal']}: {verdict(row['ratio'][0] >= row['goal'])}" if row["goal"] else ""
        lines.append(f"| {row['corpus']} | {name} | {row['share']:.1%} | {row['requests']:,} of {row['truth']:,} | "
                     f"{row['theirs']:.3f} | {row['ours']:.3f} | {interval(row['ratio'])} | {goal} | "
                     f"{interval(row['question']) if row['question'] else ''} | {interval(row['cpu'])} | "
                     f"{row['peak'] / (1 << 20):.0f} ({row['our_peak'] / (1 << 20):.0f}) MiB | {row['rounds']} |")
    return lines


def large(run, corpora):
    """One gzip object of 600 MB beside the fastest inflater that streams it on one thread."""
    if "mixed" not in corpora:
        raise Failed("the large object is made of the corpus `mixed`: name it with --only")
    decoded_bytes = int(LARGE_BYTES * min(1.0, run.arguments.scale))
    path, counted, written = large_object(run, corpora["mixed"], decoded_bytes)
    first = {}

    def check(printed):
        report = json.loads(printed)
        elapsed = report.pop("run")["elapsed_ms"]
        expect("large: requests", report["totals"]["requests"]["attempted"], counted)
        expect("large: decoded bytes", report["health"]["bytes"]["decompressed"], written)
        expect("large: the report of another round", report, first.setdefault("report", report))
        return {"question_seconds": elapsed / 1_000}

    def check_inflater(printed):
        told = json.loads(printed)
        expect("large: decoded bytes of the floor", told["decoded_bytes"], written)
        return {"question_seconds": told["work_seconds"]}

    stream = str(PEERS / "stream.py")
    inflaters = {"zlib-rs": [run.bare, "stream", path], "zlib-ng": [run.python, stream, "zlib-ng", path],
                 "isal": [run.python, stream, "isal", path], "libdeflate, whole": [run.bare, "inflate", path]}
    contestants = {"borehole": ([run.binary, "analyze", path, "-q", "--format", "json"], check)}
    contestants.update({name: (command, check_inflater) for name, command in inflaters.items()})
    samples = run.rounds("large", contestants)
    # An interpreter's start is no inflating: among inflaters it is their own time that counts.
    streaming = [name for name in inflaters if name != "libdeflate, whole"]
    fastest = min(streaming, key=lambda name: middle(samples[name], "question_seconds"))
    ours = samples["borehole"]
    lines = ["", "## One large object", "",
             f"{written:,} bytes decoded, {os.path.getsize(path):,} stored, one gzip member; "
             f"{counted:,} requests. The fastest that streams it on one thread is {fastest}.", "",
             "| inflater | inflating, s | borehole, s | ratio (95 %) | goal |", "|---|---|---|---|---|"]
    for name in inflaters:
        ratio = ratios(ours, samples[name], "wall", "question_seconds")
        is_goal, goal = name == fastest, FLOOR_GOALS["large"]
        lines.append(f"| {f'**{name}** (fastest stream)' if is_goal else name} | "
                     f"{middle(samples[name], 'question_seconds'):.3f} | {middle(ours, 'wall'):.3f} | {interval(ratio)} | "
                     f"{f'≤ {goal}: {verdict(ratio[0] <= goal)}' if is_goal else ''} |")
    peak = max(sample["peak_bytes"] for sample in ours.values())
    lines += ["", f"Peak memory of borehole: {peak / (1 << 20):.0f} MiB (goal ≤ 96: {verdict(peak <= MEMORY_GOAL_BYTES)}); "
              f"CPU: {middle(ours, 'cpu'):.3f} s."]
    run.tables += lines


def large_object(run, corpus, decoded_bytes):
    """The object's path, the requests in it, and its decoded bytes; written where it is not there."""
    path, told = run.work / "large.json.gz", run.work / "large.json.about"
    sound = [item for item in corpus.items if not item.shapes]
    asked = [decoded_bytes, int((corpus.root / "truth.json").stat().st_mtime)]
    if not told.exists() or json.loads(told.read_text())["asked"] != asked:
        run.say(f"making {path}")
        random.Random(1).shuffle(sound)
        compressor, written, used = zlib.compressobj(4, wbits=31), 0, []
        with path.open("wb") as file:
            for item in sound:
                if written >= decoded_bytes:
                    break
                lines = reference.gunzip(pathlib.Path(item.path).read_bytes(), set()).splitlines(keepends=True)
                # Payloads lie elsewhere, and with some of them the token counts.
                kept = [(line, row) for line, row in zip(lines, item.rows) if not is_offloaded(line)]
                decoded = b"".join(line for line, _ in kept)
                file.write(compressor.compress(decoded))
                written += len(decoded)
                used.append(item._replace(rows=[row for _, row in kept]))
            file.write(compressor.flush())
        about = {"asked": asked, "written": written, "counted": reference.requests_counted(used)}
        told.write_text(json.dumps(about))
    about = json.loads(told.read_text())
    return str(path), about["counted"], about["written"]


def is_offloaded(line):
    """Whether a record refers to a payload object. Bodies of the corpus may hold the same words, with a path of their own."""
    return line.count(b'BodyS3Path":"') > line.count(b'BodyS3Path":"s3://nowhere/x"')


def scaling(run, corpora):
    """One thread and two, of Borehole and of the floor."""
    lines = ["", "## From one thread to two", "",
             "| corpus | borehole 1 → 2 (95 %) | floor 1 → 2 (95 %) |", "|---|---|---|"]
    for corpus in corpora.values():
        mode = "read" if corpus.layout == "split" else "inflate"
        contestants = {}
        for threads in ("1", "2"):
            contestants[f"borehole {threads}"] = corpus.analyze(run, "--threads", threads)
            contestants[f"bare {threads}"] = ([run.bare, mode, str(corpus.root), "--threads", threads],
                                              check_floor(f"{corpus.name}: bare on {threads}"))
        samples = run.rounds(f"scaling/{corpus.name}", contestants, LESSER)
        cells = [interval(ratios(samples[f"{name} 1"], samples[f"{name} 2"], "wall", "wall"))
                 for name in ("borehole", "bare")]
        lines.append(f"| {corpus.name} | {' | '.join(cells)} |")
    run.tables += lines


# -- Figures -----------------------------------------------------------------------------------------------------------


def middle(samples, field):
    """The median of a field."""
    return statistics.median(sample[field] for sample in samples.values())


def ratios(above, below, over, under):
    """The median ratio within rounds, and the bootstrap interval of 95 %: (median, low, high)."""
    paired = [above[number][over] / below[number][under] for number in above if number in below]
    # The seed makes the interval a function of the samples.
    source = random.Random(20_240_311)
    medians = sorted(statistics.median(source.choices(paired, k=len(paired))) for _ in range(RESAMPLES))
    return statistics.median(paired), medians[RESAMPLES * 25 // 1_000], medians[RESAMPLES * 975 // 1_000 - 1]


def interval(ratio):
    """As text."""
    return f"{ratio[0]:.2f} ({ratio[1]:.2f}–{ratio[2]:.2f})"


def verdict(is_met):
    """As text."""
    return "met" if is_met else "**missed**"


# -- Surroundings ------------------------------------------------------------------------------------------------------


def output_of(*command):
    """What a command prints, or why it cannot."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"({error})"


def machine():
    """What it ran on, and how busy that was."""
    memory = [line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")]
    return {"kernel": platform.release(), "processors": os.cpu_count(), "memory": memory[0].split(":")[1].strip(),
            "load_before": os.getloadavg(), "lscpu": output_of("lscpu")}


def versions(run):
    """What ran: the binary by its hash, the commit it should be of, and the peers."""
    packages = "import importlib.metadata as m; print(' '.join(f'{p}=={m.version(p)}' for p in %r))"
    names = [line.split("==")[0] for line in (PEERS / "requirements.txt").read_text().split()]
    return {"borehole": output_of(run.binary, "--version"),
            "borehole_sha256": hashlib.sha256(pathlib.Path(run.binary).read_bytes()).hexdigest(),
            "commit": output_of("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
            "python": platform.python_version(), "peers": output_of(run.python, "-c", packages % names),
            "jq": output_of("jq", "--version")}


def peer_python(work):
    """An interpreter with the peers in the versions asked for: this one, or one of a virtual environment."""
    wanted = (PEERS / "requirements.txt").read_text().split()
    test = ("import importlib.metadata as m, sys\n"
            "sys.exit(any(m.version(p.split('==')[0]) != p.split('==')[1] for p in sys.argv[1:]))")
    environment = work / "peers"
    for python in (sys.executable, str(environment / "bin/python")):
        if shutil.which(python) and subprocess.run([python, "-c", test, *wanted], capture_output=True).returncode == 0:
            return python
    # What is installed in the right version already need not be fetched again.
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(environment)], check=True)
    python = str(environment / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(PEERS / "requirements.txt")], check=True)
    return python


def heading(result):
    """What ran on what."""
    model = next((line.split(":")[1].strip() for line in result["machine"]["lscpu"].splitlines()
                  if line.startswith("Model name")), "unknown processor")
    told = result["versions"]
    kept = [sample for sample in result["samples"] if sample["round"] is not None]
    others = statistics.median(sample["others"] / sample["wall"] for sample in kept) if kept else 0.0
    load = f"anything else had {others:.2f} of a processor (median of the samples)"
    quiet = "" if others < OTHERS_MAX else " **The machine was not quiet: these figures do not count.**"
    return [f"# {time.strftime('%Y-%m-%d')}: beside the floor and beside other tools", "",
            f"{told['borehole']} at {told['commit']}, {result['arguments']['rounds']} rounds; {model}, "
            f"{result['machine']['processors']} processors, {result['machine']['memory']}, "
            f"Linux {result['machine']['kernel']}; {load}.{quiet}",
            f"Peers: {told['peers']}, {told['jq']}, Python {told['python']}.",
            "Every sample, command and version is in `compare.json`; how it is done, in `benches/README.md`."]


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(str(failed))
