"""Run benchmarks and print what they found.

python -m bench                  all of them
python -m bench boot --rounds 15 one, more thoroughly
python -m bench --check          end with status 1 where a bound is missed
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.boot.run import run as boot
from bench.report import Report
from runtime.npm import ToolError

BENCHMARKS: dict[str, Callable[[int], Report]] = {"boot": boot}
"""Every benchmark by name: called with the number of rounds, it returns its report."""

ROUNDS = 7


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help=f"(default {ROUNDS})")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    cli = parser()
    options = cli.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        cli.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    reports: list[Report] = []
    try:
        for name in options.names or BENCHMARKS:
            reports.append(BENCHMARKS[name](options.rounds))
            sys.stdout.write(reports[-1].as_text())
            sys.stdout.flush()
    except ToolError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    if options.json:
        text = json.dumps([report.as_json() for report in reports], indent=2)
        options.json.write_text(f"{text}\n")
    return int(options.check and any(report.is_over for report in reports))


def _rounds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
