"""Runs one command and prints what it cost: measure.py STDOUT STDERR COMMAND…

In: files for what the command prints, and the command. Out: one JSON object: its exit code, wall and processor seconds,
its children's included, its peak resident bytes, and the processor seconds that others had meanwhile. A process of its own and no more than this, since the kernel counts
the memory of whoever starts a program as that program's peak.
"""

import json
import os
import sys
import time


# In what /proc/stat counts, per second.
TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """Processor seconds that anything had since the start, those that the host took away among them."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, interrupts, soft_interrupts, stolen = file.readline().split()[1:9]
    return sum(map(int, (user, nice, system, interrupts, soft_interrupts, stolen))) / TICKS


def main():
    """Runs and prints."""
    out, err = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for path in sys.argv[1:3])
    actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
    busy, began = busy_seconds(), time.perf_counter()
    child = os.posix_spawnp(sys.argv[3], sys.argv[3:], os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    others = max(0.0, busy_seconds() - busy - usage.ru_utime - usage.ru_stime)
    cost = {"exit": os.waitstatus_to_exitcode(status), "wall": wall, "user": usage.ru_utime,
            "system": usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024, "others": others}
    print(json.dumps(cost))


main()
