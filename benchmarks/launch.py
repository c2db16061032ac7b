"""Run one command and write down what it took, from a process that is small itself.

Linux counts the memory of the process that starts another as memory of the other, up to the moment
in which that one's program is loaded; the benchmark with all its libraries would set a floor of
100 MB. So commands are started from here: ``python -S -E launch.py RESULT COMMAND...``.
"""

import json
import os
import sys
import time


def main() -> None:
    result, command = sys.argv[1], sys.argv[2:]
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    with open(result, "w", encoding="utf-8") as file:
        json.dump(
            {
                "exit": os.waitstatus_to_exitcode(status),
                "seconds": seconds,
                "processor": used.ru_utime + used.ru_stime,
                "memory": used.ru_maxrss * 1024,
            },
            file,
        )


if __name__ == "__main__":
    main()
