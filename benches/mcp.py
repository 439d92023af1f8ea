#!/usr/bin/env python3
"""How long an assistant waits for `borehole serve-mcp`.

mcp.py BOREHOLE SOURCE… --dataset DIR --model ID --region NAME [--account ID] [--rounds N]: starts the server twice over
the same sources and dataset, and prints one JSON object a line:
- start: from the start of the process until it has answered `initialize`, for each of the two;
- first: the first call of a process, until its answer is complete (a scanning answer is followed as it says). For the
  first process that reads whatever the dataset does not have yet, for the second the dataset is there;
- warm: each of the three counting tools, N times (15) in the second process, every call for another period, so that no
  answer is a repetition: median, smallest and largest, and the bytes and requests of the largest answer.
Milliseconds, from the write of a request to the end of its answer's line. Options after `--` go to the server as they
are. Python's standard library alone. Nothing is compared and nothing fails but an error: it is for people, on a machine
that does nothing else.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

# The newest revision that begins with `initialize`; servers answer with the one that they take.
REVISION = "2025-11-25"


class Server:
    """A server and the one client that it has."""

    def __init__(self, command):
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.last = 0
        client = {"name": "borehole-bench", "version": "1"}
        self.ask("initialize", {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client})
        self.tell("notifications/initialized", {})
        self.start_ms = (time.perf_counter() - self.begun) * 1000

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    def ask(self, method, params):
        """The result, and the bytes of the frame."""
        self.last += 1
        self.send({"id": self.last, "method": method, "params": params})
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("the server has ended")
            message = json.loads(line)
            if message.get("id") != self.last:
                continue
            if "error" in message:
                sys.exit(f"{method}: {message['error']['message']}")
            return message["result"], len(line)

    def call(self, tool, arguments):
        """The complete answer, the bytes of its frame and the milliseconds until it was there."""
        begun = time.perf_counter()
        while True:
            result, length = self.ask("tools/call", {"name": tool, "arguments": arguments})
            if result.get("isError"):
                sys.exit(f"{tool}: {result['content'][0]['text']}")
            answer = result["structuredContent"]
            if answer["status"] == "complete":
                return answer, length, (time.perf_counter() - begun) * 1000
            following = answer["next"]
            tool, arguments = following["tool"], following["arguments"]

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


def put(**fields):
    print(json.dumps(fields), flush=True)


def moments(answer):
    """Both ends of what the data has, in seconds."""
    ends = (answer["time_range"][name] for name in ("start", "end"))
    return [time.mktime(time.strptime(end, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone for end in ends]


def text(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def requests_of(answer):
    counts = answer.get("metrics", {}).get("invocations") or answer.get("requests")
    return None if counts is None else counts["attempted"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("borehole")
    parser.add_argument("source", nargs="+")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--account")
    parser.add_argument("--rounds", type=int, default=15)
    own, more = sys.argv[1:], []
    if "--" in own:
        more = own[own.index("--") + 1 :]
        own = own[: own.index("--")]
    asked = parser.parse_args(own)
    subject = {"model_id": asked.model, "region": asked.region}
    if asked.account:
        subject["account_id"] = asked.account
    command = [asked.borehole, "serve-mcp", *asked.source, "--dataset", asked.dataset, *more]

    for process in ("first", "second"):
        server = Server(command)
        put(measure="start", process=process, ms=round(server.start_ms, 1))
        answer, length, ms = server.call("bedrock_get_model_stats", subject)
        put(measure="first", process=process, ms=round(ms, 1), bytes=length, requests=requests_of(answer))
        if process == "first":
            server.leave()

    start, end = moments(answer)
    hours = max(1, round((end - start) / 3600))
    for tool in ("bedrock_get_model_stats", "bedrock_analyze_requests", "bedrock_get_token_metrics"):
        taken, largest = [], (0, None)
        for number in range(asked.rounds):
            cut = min(number, hours - 1)
            if tool == "bedrock_analyze_requests":
                period = {"time_period_hours": min(hours, 8784) - cut}
            else:
                period = {"start_time": text(start + cut * 3600), "end_time": text(end)}
            answer, length, ms = server.call(tool, {**subject, **period})
            taken.append(ms)
            largest = max(largest, (length, requests_of(answer)), key=lambda pair: pair[0])
        put(
            measure="warm",
            tool=tool,
            rounds=asked.rounds,
            hours=hours,
            median_ms=round(statistics.median(taken), 1),
            smallest_ms=round(min(taken), 1),
            largest_ms=round(max(taken), 1),
            bytes=largest[0],
            requests=largest[1],
        )
    server.leave()


main()
