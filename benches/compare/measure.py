"""Runs one command and prints what it cost: measure.py STDOUT STDERR COMMAND…

In: files for what the command prints, and the command. Out: one JSON object: its exit code, wall and processor seconds,
and peak resident bytes, its children's included. A process of its own and no more than this, since the kernel counts
the memory of whoever starts a program as that program's peak.
"""

import json
import os
import sys
import time


def main():
    """Runs and prints."""
    out, err = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for path in sys.argv[1:3])
    actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
    began = time.perf_counter()
    child = os.posix_spawnp(sys.argv[3], sys.argv[3:], os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    cost = {"exit": os.waitstatus_to_exitcode(status), "wall": wall, "user": usage.ru_utime,
            "system": usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024}
    print(json.dumps(cost))


main()
