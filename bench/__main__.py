"""Run benchmarks and print what they found.

python -m bench                   all of them
python -m bench boot --rounds 15  one, more thoroughly
python -m bench lighthouse --runs 3
python -m bench server --parts pushes,streams --databases sqlite --seconds 10
python -m bench --check           end with status 1 where a bound is missed
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.boot.run import run as boot
from bench.lighthouse.run import RUNS
from bench.lighthouse.run import run as lighthouse
from bench.server.parts import Plan
from bench.server.run import DATABASES, PARTS
from bench.server.run import run as server
from runtime.npm import ToolError


class Found(Protocol):
    """What a benchmark returns: a report for people and programs."""

    @property
    def is_over(self) -> bool: ...

    def as_text(self) -> str: ...

    def as_json(self) -> dict[str, Any]: ...


ROUNDS = 7

BENCHMARKS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "boot": lambda options: boot(options.rounds),
    "lighthouse": lambda options: lighthouse(options.runs),
    "server": lambda options: server(
        options.parts,
        options.databases,
        Plan(seconds=options.seconds, most_rows=options.rows, streams=options.streams),
    ),
}
"""Every benchmark by name: called with the options of the command line, it returns its report."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument(
        "--rounds", type=_number, default=ROUNDS, help=f"of boot (default {ROUNDS})"
    )
    parser.add_argument(
        "--runs", type=_number, default=RUNS, help=f"of lighthouse (default {RUNS})"
    )
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    plan = Plan()
    load = parser.add_argument_group("of server")
    for name, known in (("--parts", PARTS), ("--databases", DATABASES)):
        load.add_argument(name, type=_some_of(known), default=known, help=f"of {','.join(known)}")
    load.add_argument(
        "--seconds", type=float, default=plan.seconds, help=f"a load (default {plan.seconds:g})"
    )
    load.add_argument(
        "--rows", type=_number, default=plan.most_rows, help=f"at most (default {plan.most_rows:,})"
    )
    load.add_argument(
        "--streams", type=_number, default=plan.streams, help=f"(default {plan.streams:,})"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    cli = parser()
    options = cli.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        cli.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    reports: list[Found] = []
    try:
        for name in options.names or BENCHMARKS:
            reports.append(BENCHMARKS[name](options))
            sys.stdout.write(reports[-1].as_text())
            sys.stdout.flush()
    except ToolError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    if options.json:
        text = json.dumps([report.as_json() for report in reports], indent=2)
        options.json.write_text(f"{text}\n")
    return int(options.check and any(report.is_over for report in reports))


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one is needed")
    return number


def _some_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def chosen(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := sorted(set(names) - set(known)):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}")
        return names

    return chosen


if __name__ == "__main__":
    sys.exit(main())
