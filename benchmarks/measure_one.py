"""Measure one thing of one contender in this fresh process; the last line printed is JSON.

    python benchmarks/measure_one.py CONTENDER PROBE ARGUMENT [WORKERS]

`compare.py` and `quick.py` call this; it is of use alone to repeat a single number.
"""

from __future__ import annotations

import json
import sys

from suite import contenders, probes


def main() -> None:
    """Run the probe."""
    contender, probe, argument, *rest = sys.argv[1:]
    if contender.startswith("bare"):
        numbers = probes.ping_pong(int(argument), together=contender == "bare-one")
        pool = None
    elif probe == "version":
        numbers, pool = {"version": contenders.version(contender)}, None
    else:
        workers = int(rest[0]) if rest else 2
        if probe == "growth_workers":
            pool = contenders.CONTENDERS[contender](workers)
        else:
            pool = contenders.open_pool(contender, workers)
        numbers = probes.PROBES[probe](pool, int(argument))
    print(json.dumps(numbers), flush=True)
    if pool is not None:
        pool.close()


if __name__ == "__main__":
    main()
