"""``python -m benchmarks [NAME...] [--runs N] [--json FILE]``."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.registry import BENCHMARKS
from benchmarks.runner import Result, machine, run, table

ENDED = 128 + signal.SIGTERM


def main() -> int:
    """Run the benchmarks asked for, all of them without a name; whoever ends this process ends what it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        importlib.import_module(f"benchmarks.{path.stem}")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and compare with others.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; without one, all")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="timed runs of each, after one to warm up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    call = parser.parse_args()
    if call.runs < 1 or set(call.names) - set(BENCHMARKS):
        parser.error(f"NAME is one of {', '.join(BENCHMARKS)}, and N at least 1")
    host = machine()
    print(", ".join(f"{what} {value}" for what, value in host.items()))
    results: list[Result] = []
    for name in call.names or BENCHMARKS:
        results += run(name, call.runs, clock=time.perf_counter)
    print(table(results))
    if call.json:
        call.json.write_text(json.dumps({"machine": host, "results": [asdict(each) for each in results]}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
