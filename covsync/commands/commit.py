"""The commit that is judged: the index, or at the stage ``pre-push`` what is pushed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from covsync.commands.project import Project
from covsync.git import index
from covsync.git.index import Listing, StagedFiles
from covsync.measure import scope, settings
from covsync.model import Difference, Record
from covsync.render.verdict import differences_text
from covsync.source_paths import is_python, may_be_script

SCRIPT = re.compile(rb"#!.*python")


def is_loaded_unasked(path: str, project: Project, record: Record) -> bool:
    """Whether a run as recorded would load a new file of the project, or among its tests."""
    return scope.is_loaded_unasked(path, record.scope, record.files) and (
        project.holds(path) or scope.is_among_tests(path, record.scope, record.files)
    )


TESTS = "covsync run -m pytest"
SETTINGS = "the configuration of coverage.py or pytest"


class Commit:
    """What is judged of a ``project``: the index, or else the commit ``name``.

    ``base`` is the commit to compare with, in place of the parents that a commit made now would
    have.
    """

    def __init__(self, project: Project, name: str | None = None, base: str | None = None) -> None:
        assert project.staged is not None  # noqa: S101 - it is open as staged
        self.project = project
        self.name = name
        self.base = base
        self.read: StagedFiles = project.staged

    @property
    def listing(self) -> Listing:
        """The files, links and submodules."""
        return self.read.listing

    @cached_property
    def objects(self) -> Mapping[str, str]:
        """The object names of all of them by path."""
        files, links, submodules = self.listing
        return {**files, **links, **submodules} if links or submodules else files

    @cached_property
    def changes(self) -> tuple[Mapping[str, tuple[str, str]], ...]:
        """For each parent the paths that differ from it, with the object before and now."""
        repository = self.project.repository
        if self.name is None:
            return index.changes(repository, os.environ)
        return (index.changed_paths(repository, self.base, self.name),)

    @cached_property
    def _parents(self) -> tuple[str | None, ...]:
        """What it is compared with; ``None`` is a commit without files."""
        if self.name is not None:
            return (self.base,)
        return index.parents(self.project.repository, os.environ) or (None,)

    @cached_property
    def deleted(self) -> Collection[str]:
        """The paths that a parent has and the commit has not."""
        return {path for parent in self.changes for path, (_, now) in parent.items() if not now}

    @cached_property
    def settings(self) -> settings.Settings:
        """What coverage.py and pytest are set to in the commit."""
        return settings.settings_in(self.read, self.project.depth)

    def changes_settings(self, path: str, before: str, now: str) -> bool:
        """Whether a changed file sets coverage.py, pytest or covsync to something else."""
        if not settings.may_be_set_in(path):
            return False
        texts = index.read_blobs(self.project.repository, filter(None, (before, now)))
        old, new = (settings.relevant(path, texts.get(name, b"")) for name in (before, now))
        return old != new

    def other_code(self) -> Collection[str]:
        """The changed paths that are symbolic links, submodules, or scripts without an extension.

        Those are Python's by their first lines, before or now.
        """
        repository, paths = self.project.repository, {p for each in self.changes for p in each}
        found = index.changed_links(repository, self._parents, self.name) & paths
        scripts = [
            (path, name)
            for each in self.changes
            for path, names in each.items()
            if may_be_script(path) and path not in found
            for name in names
            if name
        ]
        texts = index.read_blobs(repository, {name for _, name in scripts}) if scripts else {}
        return found | {path for path, name in scripts if SCRIPT.match(texts.get(name, b""))}

    def new_files(self, record: Record) -> list[str]:
        """The Python files that were not there when the tests ran, and that a run would see."""
        files, project = record.files, self.project
        new = [
            path
            for path in self.listing.files
            if is_python(path) and path not in files and path not in record.unloaded
        ]
        return [
            path
            for path in new
            if is_loaded_unasked(path, project, record) or self._is_reported(path, record)
        ]

    def _is_reported(self, path: str, record: Record) -> bool:
        """Whether coverage.py would report a new file; one without a statement changes nothing."""
        present = self.listing.files
        tree = self.project.tree_of(frozenset())
        if not scope.is_reported(path, record.scope, present, record.files, tree):
            return False
        if path.endswith(scope.INIT):  # it lets coverage.py find the files beside it
            return True
        from covsync.gate.text import has_statements

        content = index.read_blobs(self.project.repository, [present[path]])
        return has_statements(content.get(present[path], b""))


def shown_differences(project: Project, differences: Sequence[Difference]) -> str:
    """The differences on one line, their paths as reports name them."""
    names = {**project.names(each.path for each in differences), SETTINGS: SETTINGS}
    return differences_text([each._replace(path=names[each.path]) for each in differences])
