"""What the peers in Python have in common: inflating, the texts of the question, and how an answer is printed."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from reference import HIGH_TOKENS, MODEL_PREFIX  # noqa: E402,F401: one question for all.


def inflate(path):
    """The decoded bytes of an object: libdeflate where it is one gzip member, else isa-l; as it is if it is no gzip."""
    import deflate
    import isal.igzip

    stored = pathlib.Path(path).read_bytes()
    if stored[:2] != b"\x1f\x8b":
        return stored
    if stored.find(b"\x1f\x8b\x08", 1) < 0 and stored[-4:] != bytes(4):
        return deflate.gzip_decompress(stored, int.from_bytes(stored[-4:], "little"))
    return isal.igzip.decompress(stored)


def print_answer(groups, began, **more):
    """One JSON object: the groups, and the seconds that the question took with the tool loaded."""
    json.dump({"groups": groups, "seconds": time.perf_counter() - began, **more}, sys.stdout)
