"""How fast covsync is beside coverage.py: makes the projects to measure, and prints a table.

    python benchmarks/speed.py                 the whole table, in about half an hour
    python benchmarks/speed.py --quick         a few seconds, on a small project; judges nothing
    python benchmarks/speed.py --only django --keep DIR

Every figure is a whole process's, from start to exit. A round runs every job once, one after the
other; a figure is the median of the rounds, and a ratio is of two medians of the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import table
from datasets import MAKERS, Project, project
from jobs import HTML, JSON, MARKDOWN, REPORTS, jobs
from processes import Ended, environment, run, together

ROUNDS = {"small": 15, "django": 5, "large": 3}
QUICK_ROUNDS = 2
REPOSITORY = Path(__file__).parent.parent


def main() -> int:
    """Measures what the arguments ask for."""
    asked = _parser().parse_args()
    chosen = ["small"] if asked.quick else asked.only or list(MAKERS)
    with contextlib.ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = folder.resolve()
        env = environment(folder / "home")
        results = []
        for name in chosen:
            _tell(f"{name}: making the project, unless it is there")
            rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS[name])
            with project(name, folder / name, asked.python, env) as made:
                results.append(table.Result.of(name, made.facts, _measured(name, made, rounds)))
        machine = table.machine(run([asked.python, "-c", table.VERSIONS], folder, env).out)
    text = table.text(results, machine, judged=not asked.quick)
    sys.stdout.write(text)
    if asked.write:
        table.write_between_marks(REPOSITORY / "README.md", table.few(results, machine))
        table.write_between_marks(REPOSITORY / "docs/speed.md", table.short(results, machine))
    return 0


def _measured(name: str, made: Project, rounds: int) -> dict[str, list[Ended]]:
    """What every job took in each round."""
    took: dict[str, list[Ended]] = defaultdict(list)
    for number in range(1, rounds + 1):
        # The HTML report of the large project takes over a gigabyte.
        for job in jobs(made, with_reports=name != "large"):
            _tell(f"{name}: round {number} of {rounds}: {job.name}")
            for prepare in job.prepare:
                prepare()
            ended = run(
                job.command,
                made.checkout,
                made.env,
                statuses=[job.status],
                whole_tree=name == "large" and number == 1,
            )
            took[job.name].append(ended)
            if job.name == HTML:
                took[REPORTS].append(together([took[each][-1] for each in (JSON, MARKDOWN, HTML)]))
    return took


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the interpreter whose covsync and coverage.py are measured (default: this one)",
    )
    parser.add_argument("--only", action="append", choices=list(MAKERS), help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="the small project, without judging")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where the projects stay for reuse"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"put the table between {table.MARKS[0]} and {table.MARKS[1]} in README.md and docs",
    )
    return parser


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
