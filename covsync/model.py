"""Plain data and exact arithmetic: reports, records and what was found wrong with them.

Named tuples, as dataclasses take the hook a third of its time: half to load, half to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import hashlib

HUNDRED = Fraction(100)
Branch = tuple[int, int]


def shown_percent(covered: int, coverable: int, precision: int) -> str:
    """``covered`` of ``coverable`` as coverage.py shows it, without a percent sign.

    Rounded to ``precision`` decimals, but 100 only when exact and 0 only when exact. The
    arithmetic is coverage.py's own (``coverage.results.display_covered``), floats and all, so
    that a tie rounds to the same side; nothing is judged by this text.
    """
    figure = 100.0 * covered / coverable if coverable else 100.0
    step = 1.0 / 10**precision
    if 0 < figure < step:
        figure = step
    elif 100.0 - step < figure < 100:
        figure = 100.0 - step
    else:
        figure = round(figure, precision)
    return f"{figure:.{precision}f}"


def shown(percent: Fraction, precision: int) -> str:
    """An exact percentage as coverage.py shows one; see ``shown_percent``."""
    return shown_percent(percent.numerator, percent.denominator * 100, precision)


def shown_name(path: str) -> str:
    """A file's name on one line: what would break or steer it is replaced."""
    return "".join(char if char.isprintable() else "?" for char in path)


def exact_decimal(value: Fraction) -> str:
    """A floor as it was written: the shortest decimal that is exactly ``value``."""
    return f"{Decimal(value.numerator) / Decimal(value.denominator):f}"


def sha256(content: bytes = b"") -> hashlib._Hash:
    """The digest of ``content`` and of what it is updated with."""
    import hashlib  # which takes longer to load than most checks take to read the store

    return hashlib.sha256(content)


def blob_id(content: bytes, object_format: str) -> str:
    """A file's object name in git; the format is ``sha1`` or ``sha256``."""
    return blob_id_of_pieces(len(content), [content], object_format)


def blob_id_of_pieces(length: int, pieces: Iterable[bytes], object_format: str) -> str:
    """The same of a file that comes in ``pieces``, which are ``length`` bytes together."""
    import hashlib

    digest = hashlib.new(object_format, b"blob %d\0" % length)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


class Totals(NamedTuple):
    """The counts coverage.py reports for a file, or for several together."""

    statements: int = 0
    missing: int = 0
    excluded: int = 0
    branches: int = 0
    partial_branches: int = 0
    missing_branches: int = 0

    def __add__(self, other: Totals) -> Totals:  # type: ignore[override]
        """The sum, count by count; of many it is quicker ``together``."""
        return Totals.together((self, other))

    @classmethod
    def together(cls, parts: Iterable[Totals]) -> Totals:
        """The sum of the ``parts``."""
        return cls(*map(sum, zip(*parts, strict=True)))

    @property
    def coverable(self) -> int:
        """Statements and branches together."""
        return self.statements + self.branches

    @property
    def covered(self) -> int:
        """Covered statements and covered branches together."""
        return self.coverable - self.missing - self.missing_branches

    @property
    def percent_covered(self) -> Fraction:
        """The exact percentage, 0 to 100; where there is nothing to cover it is 100."""
        return HUNDRED * self.covered / self.coverable if self.coverable else HUNDRED

    def is_below(self, floor: Fraction) -> bool:
        """Whether the exact percentage is less than ``floor``; quick, for thousands of files."""
        covered, coverable = (self.covered, self.coverable) if self.coverable else (1, 1)
        return 100 * covered * floor.denominator < floor.numerator * coverable

    def shown(self, precision: int) -> str:
        """The percentage as every reader sees it, such as ``94`` or ``94.06``."""
        return shown_percent(self.covered, self.coverable, precision)

    def shown_below(self, floor: Fraction, precision: int) -> str:
        """The percentage with as many digits as it takes to read as less than ``floor``."""
        text = self.shown(precision)
        while Fraction(text) >= floor:
            precision += 1
            digits = f"{round(self.percent_covered * 10**precision):0{precision + 1}d}"
            text = f"{digits[:-precision]}.{digits[-precision:]}"
        return text


class Lines(NamedTuple):
    """A file's lines and branches by what was measured of them, each sorted.

    A branch is a pair of lines; a target below zero leaves the function.
    """

    executed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    missing_branches: tuple[Branch, ...] = ()
    executed_branches: tuple[Branch, ...] = ()

    @classmethod
    def of_entry(cls, entry: bytes, *, has_branches: bool) -> Lines:
        """The lines in an entry of ``CoverageJson``."""
        import json
        import zlib

        found = json.loads(zlib.decompress(entry))

        def branches(key: str) -> tuple[Branch, ...]:
            return tuple(sorted(map(tuple, found[key]))) if has_branches else ()

        return cls(
            executed=tuple(sorted(found["executed_lines"])),
            missing=tuple(sorted(found["missing_lines"])),
            excluded=tuple(sorted(found["excluded_lines"])),
            missing_branches=branches("missing_branches"),
            executed_branches=branches("executed_branches"),
        )

    def counted(self) -> Totals:
        """What the lines and branches add up to."""
        excluded, missing = set(self.excluded), set(self.missing)
        executed = set(self.executed) - excluded
        missing_branches = [start for start, _ in self.missing_branches]
        return Totals(
            statements=len(executed | missing),
            missing=len(missing),
            excluded=len(excluded),
            branches=len(self.executed_branches) + len(missing_branches),
            partial_branches=sum(start not in missing for start in missing_branches),
            missing_branches=len(missing_branches),
        )

    def among(self, lines: frozenset[int]) -> Lines:
        """Some of the lines alone; a branch belongs to the line that it leaves."""
        return Lines(
            executed=tuple(line for line in self.executed if line in lines),
            missing=tuple(line for line in self.missing if line in lines),
            excluded=tuple(line for line in self.excluded if line in lines),
            missing_branches=tuple(pair for pair in self.missing_branches if pair[0] in lines),
            executed_branches=tuple(pair for pair in self.executed_branches if pair[0] in lines),
        )

    def moved(self, to: Mapping[int, int]) -> Lines:
        """The same lines and branches by new numbers; one without a new number is left out."""

        def lines(old: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted({to[line] for line in old if line in to}))

        def branches(old: tuple[Branch, ...]) -> tuple[Branch, ...]:
            pairs = ((to[a], to.get(b, b) if b > 0 else -to.get(-b, -b)) for a, b in old if a in to)
            return tuple(sorted(pairs))

        return Lines(
            executed=lines(self.executed),
            missing=lines(self.missing),
            excluded=lines(self.excluded),
            missing_branches=branches(self.missing_branches),
            executed_branches=branches(self.executed_branches),
        )

    def missing_items(self) -> list[str]:
        """What is not covered, item by item, in coverage.py's notation: ``12-15``, ``40->44``.

        Missing lines join into a range across anything that is not a statement. A branch is
        listed where neither of its ends is a missing line (``coverage.results.format_lines``).
        """
        missing = set(self.missing)
        statements = sorted((missing | set(self.executed)) - set(self.excluded))
        runs: list[tuple[int, int]] = []
        in_run = False
        for line in statements:
            if line not in missing:
                in_run = False
            elif in_run:
                runs[-1] = (runs[-1][0], line)
            else:
                runs.append((line, line))
                in_run = True
        items = [(a, f"{a}" if a == b else f"{a}-{b}") for a, b in runs]
        items += [
            (start, f"{start}->{end if end > 0 else 'exit'}")
            for start, end in self.missing_branches
            if start not in missing and end not in missing
        ]
        return [text for _, text in sorted(items)]


class FileReport(NamedTuple):
    """What was measured of one file.

    ``path`` is relative to the project's folder, with forward slashes, as coverage.py names the
    file. ``detail`` are its lines, or else reads them: most files are judged by their totals.
    """

    path: str
    totals: Totals
    detail: Lines | Callable[[], Lines]

    @property
    def lines(self) -> Lines:
        """The lines and branches; where they are only stored, each access reads them again."""
        return self.detail if isinstance(self.detail, Lines) else self.detail()

    def on_lines(self, lines: frozenset[int]) -> FileReport:
        """The report on some of the lines alone."""
        part = self.lines.among(lines)
        return FileReport(self.path, part.counted(), part)

    def missing_text(self) -> str:
        """The ``Missing`` column of ``coverage report --show-missing``."""
        return ", ".join(self.lines.missing_items())


class ReportStyle(NamedTuple):
    """How coverage.py is set up to show a report (its ``[report]`` section)."""

    precision: int = 0
    sort: str = "name"
    skip_covered: bool = False
    skip_empty: bool = False


class CoverageJson(NamedTuple):
    """What ``coverage json`` writes, less the time of day.

    ``document`` is all but its ``files``, of which there is only the key. ``entries`` are those by
    path, each a JSON text packed by zlib: in a large project they are most of what there is.
    """

    document: Mapping[str, Any]
    entries: Mapping[str, bytes]


class Report(NamedTuple):
    """One measurement: every figure a person sees is taken from here.

    ``coverage_json`` is the same measurement as ``coverage json`` writes it, less the time of day;
    it is not there where the report is of the index.
    """

    files: tuple[FileReport, ...]
    totals: Totals
    has_branches: bool
    style: ReportStyle
    coverage_json: CoverageJson | None = None

    def shown_total(self) -> str:
        """The total, as hook, badge, README and endpoint show it: ``94``."""
        return self.totals.shown(self.style.precision)


class Baseline(NamedTuple):
    """A total that was published; ``files`` reads each file's, none where only the total was."""

    percent: Fraction
    files: Callable[[], Mapping[str, Fraction]]


class Finding(NamedTuple):
    """A floor that was not held.

    ``rule`` is the configuration key that asks for it, ``subject`` what was judged: ``total``, a
    file's path or a glob. ``files`` are those with something missing, the most missing first.
    ``note`` says more about the floor, where there is more to say.
    """

    rule: str
    subject: str
    totals: Totals
    floor: Fraction
    files: tuple[FileReport, ...]
    note: str = ""

    @property
    def shortfall(self) -> Fraction:
        """Percentage points between the floor and the figure, above 0."""
        return self.floor - self.totals.percent_covered

    @property
    def needed(self) -> int:
        """How many more statements or branches must be covered to reach the floor, at least 1."""
        required = self.floor * self.totals.coverable / 100
        return -(-required.numerator // required.denominator) - self.totals.covered


class Verdict(NamedTuple):
    """What the gate found: ``findings`` worst first; ``held`` counts the floors that held.

    ``unmatched_globs`` are those of ``paths`` under which nothing was measured, so that their
    floors could not be judged.
    """

    findings: tuple[Finding, ...]
    held: int
    unmatched_globs: tuple[str, ...]


class LoadedFile(NamedTuple):
    """A file of the repository as the tests ran on it.

    ``name`` is its object name in git: a blob's, or a commit's for a submodule. ``totals`` and
    ``detail`` are what was measured of it, ``None`` where it was loaded and not measured.
    ``own_text`` is its text where git does not have it. ``detail`` and ``own_text`` may be what
    reads them.
    """

    name: str
    totals: Totals | None = None
    detail: Lines | Callable[[], Lines] | None = None
    own_text: bytes | Callable[[], bytes | None] | None = None

    @property
    def lines(self) -> Lines | None:
        """The lines and branches, ``None`` where the file was not measured."""
        return self.detail() if callable(self.detail) else self.detail

    @property
    def text(self) -> bytes | None:
        """The text that the tests ran on, ``None`` where git has it."""
        return self.own_text() if callable(self.own_text) else self.own_text


class Scope(NamedTuple):
    """Which files a run would report or load besides those that it did.

    ``source_dirs`` (paths from the repository's top level, "" for that itself) and ``source_pkgs``
    are coverage.py's ``source``, ``source_dirs`` and ``source_pkgs``; ``include`` and ``omit`` its
    patterns. ``namespaces`` is its ``include_namespace_packages``. ``tests`` are the runner's
    patterns for the names of test files. ``loads_all`` says that the runner imports every Python
    file, as pytest's ``--doctest-modules`` does.
    """

    source_dirs: tuple[str, ...] = ()
    source_pkgs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    namespaces: bool = False
    tests: tuple[str, ...] = ()
    loads_all: bool = False


class Record(NamedTuple):
    """What the tests ran on and what they covered, recorded when they had run.

    ``files`` are all files of the repository that were loaded or measured, by their path from the
    top level; ``unloaded`` are the other Python files that were there. ``by_times`` says that the
    processes were not observed: then ``files`` are all Python files of the project, and only their
    times say that the tests ran on them. ``recorded_at`` is a Unix time in seconds.

    ``narrowed`` says why the run was only a part of the tests, "" where it was not, and
    ``by_option`` that an option of the command line left some out. ``failed`` says that tests had
    failed, ``doctests`` that docstrings may have run. ``exclusions`` are coverage.py's
    regular expressions, those for lines and those for branches. ``settings`` are the settings that
    bear on a run, ``settings_digest`` is that of the files they come from. ``fail_under`` is
    coverage.py's floor, ``configured_fail_under`` what its files set it to. ``data_digest`` is the
    SHA-256 of the ``data_file``, which is ``named`` where it is another than coverage.py's own
    choice. ``command`` measured it, "" if unknown.
    """

    data_file: str
    named: bool
    data_digest: str
    recorded_at: int
    by_times: bool
    failed: bool
    narrowed: str
    by_option: bool
    doctests: bool
    command: str
    has_branches: bool
    style: ReportStyle
    fail_under: Fraction | None
    configured_fail_under: str
    exclusions: tuple[tuple[str, ...], ...]
    settings: str
    settings_digest: str
    scope: Scope
    unloaded: frozenset[str]
    files: Mapping[str, LoadedFile]


class Refusal(NamedTuple):
    """Why the data with this SHA-256 could not be recorded, and what to do about it."""

    data_digest: str
    message: str
    fix: str


class Difference(NamedTuple):
    """How the commit differs from what the tests ran on, in one file.

    ``line`` is the first line that differs, 0 where the whole file does. ``what`` happened is one
    of ``edited``, ``added``, ``deleted``, ``missing`` (it ran, but is not in this commit),
    ``excluded`` (one of coverage.py's exclusions matches other statements), ``settings`` (they are
    other ones); by files' times also ``written`` (after the data), ``unstaged`` and, for a commit
    that is made already, ``uncommitted`` and ``elsewhere`` (the work tree has another text).
    """

    path: str
    line: int
    what: str


class Evidence(NamedTuple):
    """Why a report is taken to be of the code that is judged.

    ``kind`` is one of ``record`` (what the tests ran on is recorded), ``record by file times``
    (recorded without observing what they loaded), ``file times`` (not recorded) and ``commit`` (in
    CI, data is taken as measured on the commit). ``recorded_at`` is a Unix time in seconds,
    ``files`` how many files stand behind it. ``narrowed`` and ``failed`` are as in ``Record``.
    ``differences`` are those that ``stale`` allows.
    """

    kind: str
    recorded_at: int
    files: int
    narrowed: str = ""
    failed: bool = False
    differences: tuple[Difference, ...] = ()


class WorkTree(NamedTuple):
    """The project on disk.

    ``top`` is the repository's top level, ``folder`` the project's own (the same, or below it).
    ``tracked`` are the paths in the index, relative to ``top``, with forward slashes.
    """

    top: Path
    folder: Path
    tracked: frozenset[str]


class Source(NamedTuple):
    """The commit that was measured: its full object name, and its committer time (Unix, UTC)."""

    commit: str
    committed_at: int


class Links(NamedTuple):
    """Where the data branch's files are found on the web; without a host, relative to the branch.

    ``report`` and ``badge_target`` are for people, ``badge`` and ``endpoint`` for programs.
    ``is_public`` says whether services outside can read them.
    """

    report: str
    badge_target: str
    badge: str
    endpoint: str
    is_public: bool
