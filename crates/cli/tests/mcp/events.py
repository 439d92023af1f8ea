"""A naive search through a dump, in plain Python that knows nothing of the program.

In: one JSON object on stdin: a directory, a text or null, and the first moment or null. Out: for a text, the time in
ms and the request id of each record whose envelope has it; for null, texts to search for. Always: every copy of a
record counts, bodies are not looked at. Absent: anything but gzip, JSON lines and JSON documents; what a dump wraps in
other ways is for the decoder's own tests.
"""

import collections
import datetime
import gzip
import json
import pathlib
import sys
import zlib


def text_of(path):
    """What a file holds; a damaged end takes nothing from what stands before it."""
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data.decode("utf-8", "replace")
    try:
        return gzip.decompress(data).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        return ""


def records_of(text):
    """The records of an object: JSON values one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at] in " \t\r\n\0\ufeff":
            at += 1
        if at == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            at = text.find("\n", at)
            if at < 0:
                return
            continue
        for record in value if isinstance(value, list) else [value]:
            if isinstance(record, dict) and record.get("schemaType") == "ModelInvocationLog":
                yield record


def envelope_of(record):
    """What is searched: all but bodies and tags."""
    envelope = {name: value for name, value in record.items() if name != "requestMetadata"}
    for side in ("input", "output"):
        if isinstance(envelope.get(side), dict):
            envelope[side] = {name: value for name, value in envelope[side].items() if "BodyJson" not in name}
    return envelope


def milliseconds(time):
    moment = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp() * 1000)


question = json.load(sys.stdin)
found = []
for path in sorted(pathlib.Path(question["source"]).rglob("*")):
    if path.is_file():
        found += [record for record in records_of(text_of(path)) if isinstance(record.get("timestamp"), str)]

if question["term"] is None:
    callers = collections.Counter((record.get("identity") or {}).get("arn", "").rpartition("/")[0] for record in found)
    del callers[""]
    times = sorted(record["timestamp"] for record in found)
    ids = [record["requestId"] for record in found if record.get("requestId")]
    answer = {
        "rarest_caller": min(callers, key=lambda caller: (callers[caller], caller)),
        "an_id": ids[len(ids) // 2],
        "median_time": times[len(times) // 2],
    }
else:
    start = question["start"] and milliseconds(question["start"])
    events = [
        {"timestamp": milliseconds(record["timestamp"]), "request_id": record.get("requestId")}
        for record in found
        if question["term"] in json.dumps(envelope_of(record), ensure_ascii=False)
        and (start is None or milliseconds(record["timestamp"]) >= start)
    ]
    answer = {"events": events}
json.dump(answer, sys.stdout)
