"""covsync reads coverage.py's file patterns as coverage.py does."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage.files import GlobMatcher, prep_patterns

from covsync.measure.file_patterns import matches_any

PATTERNS = (
    "a.py",
    "*.py",
    "src/a.py",
    "./src/a.py",
    "src/*",
    "src/*.py",
    "src/**/a.py",
    "*/src/*",
    "*/a.py",
    "**/a.py",
    "src/?.py",
    "src/[ab].py",
    "*/[!a].py",
    "/elsewhere/*",
    "/elsewhere/**",
    "src",
    "src/",
    "*_a.py",
    "s*/a.py",
)
PATHS = (
    "a.py",
    "b.py",
    "src/a.py",
    "src/b.py",
    "src/pkg/a.py",
    "src/pkg/deep/a.py",
    "lib/src/a.py",
    "lib/test_a.py",
    "/elsewhere/a.py",
    "/elsewhere/deep/a.py",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_fits_what_coverage_py_says(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    matcher = GlobMatcher(prep_patterns([pattern]), "omit")
    paths = [str(tmp_path / path) for path in PATHS]
    ours = [path for path in paths if matches_any(path, [pattern], tmp_path)]
    assert ours == [path for path in paths if matcher.match(path)]
