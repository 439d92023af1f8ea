"""Takes records that lie far from their folders out of a synthetic dump.

In: one JSON object on stdin: the dump's directory. Out: how many were taken, as JSON. Always: what is near its folder is
left as it is. A run over a range of hours reads only the folders near it and misses such records, a server has read
them all: with them the one is no measure of the other.
"""

import datetime
import gzip
import json
import pathlib
import re
import sys
import zlib

HOUR = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/(\d{2})/")
# A record may lie in the folder of its own hour and of those beside it, in every layout.
NEAR_SECONDS = (-3600, 2 * 3600)


def is_far(document, folder):
    try:
        time = datetime.datetime.fromisoformat(document["timestamp"].replace("Z", "+00:00"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    seconds = (time.replace(tzinfo=None) - folder).total_seconds()
    return not NEAR_SECONDS[0] <= seconds < NEAR_SECONDS[1]


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


taken, ids = 0, set()
dump = pathlib.Path(json.load(sys.stdin)["source"])
files = [path for path in sorted(dump.rglob("*")) if path.is_file() and HOUR.search(str(path))]
for path in files:
    folder = datetime.datetime(*map(int, HOUR.search(str(path)).groups()))
    data = path.read_bytes()
    is_packed = data[:2] == b"\x1f\x8b"
    try:
        text = (gzip.decompress(data) if is_packed else data).decode()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error):
        continue
    lines = text.splitlines(keepends=True)
    documents = [parsed(line) for line in lines]
    far = [isinstance(document, dict) and is_far(document, folder) for document in documents]
    if any(far):
        taken += sum(far)
        ids |= {document["requestId"] for document, gone in zip(documents, far) if gone and document.get("requestId")}
        left = "".join(line for line, gone in zip(lines, far) if not gone).encode()
        path.write_bytes(gzip.compress(left) if is_packed else left)
# In the split layout a request's other documents have no time, but its id in their names.
for path in files:
    if any(path.name.startswith(identity) for identity in ids):
        path.unlink()
json.dump({"taken": taken}, sys.stdout)
