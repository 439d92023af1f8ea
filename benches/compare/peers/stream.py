"""One gzip file, inflated in chunks on one thread and thrown away: the floor that other inflaters set.

stream.py zlib-ng|isal FILE: prints the decoded bytes, and the seconds that it took.
"""

import json
import sys
import time

# What is read, and what is decoded, at a time: so much that the interpreter between two chunks does not show.
STORED_BYTES = 256 * 1024
DECODED_BYTES = 1024 * 1024


def main():
    """Inflates and prints."""
    if sys.argv[1] == "isal":
        from isal import isal_zlib as library
    else:
        from zlib_ng import zlib_ng as library
    began, decoded_bytes = time.perf_counter(), 0
    inflater = library.decompressobj(31)
    with open(sys.argv[2], "rb", buffering=0) as file:
        while stored := file.read(STORED_BYTES):
            while stored:
                decoded_bytes += len(inflater.decompress(stored, DECODED_BYTES))
                stored = inflater.unconsumed_tail
    print(json.dumps({"decoded_bytes": decoded_bytes + len(inflater.flush()), "work_seconds": time.perf_counter() - began}))


main()
