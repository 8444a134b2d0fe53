"""How large the data branch grows: covsync's histories beside `coverage html` and `git commit`.

    python benchmarks/growth.py [--names unique]

A made-up project, the same at every run, is published 300 times, with two of its files edited,
committed and measured in between. Three CI jobs publish it, always from a fresh clone:

- plain: `coverage html` as it comes, less its .gitignore; then `git add`, `commit` and `push`;
- append, single: `covsync push` with that `history`: report page, badge, data.json and history too.

Compared are the bytes of a clone of the branch, after `git gc` on the server. The minute that
coverage.py stamps on plain's pages is set to the commit's, as hours lie between real publications.
git looks for a page's older version by the end of its name, and finds fewer where many end alike,
as in a Django project. Names that all differ (`--names unique`) are the best case for plain.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

# A short replay tells of its first publication more than of growth.
JUDGED_FROM = 300
JOBS, BRANCH = ("plain", "append", "single"), "covsync-data"
FIRST, APART = datetime(2026, 1, 1, tzinfo=timezone.utc), timedelta(hours=6)
GIT_SETTINGS = (
    "[user]\nname=Test\nemail=test@localhost\n[gc]\nautoDetach=no\n[advice]\ndetachedHead=no"
)
SETTINGS = '[tool.coverage.run]\nbranch = true\nrelative_files = true\nsource = ["shop"]\n'
# Nine functions of ten are called, and not every branch of theirs is taken.
DRIVER = """\
import importlib, inspect, pkgutil, shop, zlib
for _, name, _ in pkgutil.walk_packages(shop.__path__, "shop."):
    for called, function in inspect.getmembers(importlib.import_module(name), inspect.isfunction):
        chance = zlib.crc32(f"{name}.{called}".encode())
        for value in (3, 60, chance % 2000) if chance % 10 else ():
            function(value, [chance % 7, chance % 40, chance % 200])
"""
PARTS = ("__init__", "admin", "api", "apps", "forms", "models", "signals", "tasks", "urls", "views")
WORDS = """account address agent alarm asset auction audit badge basket batch bonus branch budget
carrier cart catalog channel claim client color contract coupon credit crew currency customer day
delivery deposit depot device discount dock draft event expense factor fee fleet gift goal invoice
journal key label lead ledger limit loan lot margin market member merge method notice offer order
owner pallet parcel partner patch payment permit picture plan price product profile quota quote rate
receipt record refund region review route scale season shelf stock supplier survey tax team
ticket tier token total tour unit vendor visit voucher week zone"""
NOUNS = WORDS.split()


class Author(random.Random):
    """Writes and edits the project: Python that means nothing, and runs."""

    def module(self) -> list[str]:
        """A module's parts: what it begins with, then its functions; about 80 lines."""
        head = f'"""The {self.choice(NOUNS)}s of the shop."""\n\nSCALE = {self.randint(2, 99)}\n'
        return [head, *(self._function() for _ in range(self.randint(3, 6)))]

    def edit(self, parts: list[str]) -> None:
        """Changes a module: a function more, or one written anew, or (mostly) one extended."""
        at, kind = self.randrange(1, len(parts)), self.randrange(4)
        if kind < 2:
            parts[at : at + kind] = [self._function()]
        else:
            body, _, last = parts[at].rpartition("    return ")
            known = re.findall(r"^    (\w+) = ", body, re.MULTILINE)[:1]
            parts[at] = "\n".join([body[:-1], *self._statement(known), f"    return {last}"])

    def _function(self) -> str:
        subject, given, kept, kind = self.sample(NOUNS, 4)
        lines = [f"def {kind}_of_{subject}({given}, items):"]
        lines += [f'    """The {kind} of a {subject} by its {given}."""']
        lines += [f"    {kept} = {self.randint(0, 50)}"]
        for _ in range(self.randint(2, 4)):
            lines += self._statement([given, kept])
        return "\n".join([*lines, f"    return {self._figure([given, kept])}\n"])

    def _statement(self, known: list[str], depth: int = 1) -> list[str]:
        indent, chance = "    " * depth, self.random()
        if depth > 2 or chance < 0.3:
            return [f"{indent}{self.choice(known[:2])} = {self._figure(known)}"]
        if chance < 0.5:
            each = self.choice(NOUNS)
            return [f"{indent}for {each} in items:", *self._statement([*known, each], depth + 1)]
        test = f"{indent}if {self._figure(known)} > {self.randint(0, 99)}:"
        taken, other = (self._statement(known, depth + 1) for _ in range(2))
        return [test, *taken, f"{indent}else:", *other]

    def _figure(self, known: list[str]) -> str:
        one, other, number = *self.choices(known, k=2), self.randint(2, 99)
        forms = (f"{one} + {number}", f"{one} * SCALE % {number}", f"max({one}, {number})")
        return self.choice((*forms, f"abs({one} - {other})", f"{one} // {number}"))


def run(folder: Path, *command: str, at: int = 0) -> str:
    """What a command says; its commits are of the time of the publication ``at``."""
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{FIRST + at * APART}")
    return subprocess.check_output(command, cwd=folder, env=os.environ | dates, text=True)


def source(number: int, names: str) -> str:
    """A source's path: as in a Django project, or with a file name that no other has."""
    if names == "unique":
        return f"shop/{NOUNS[number % len(NOUNS)]}{number // len(NOUNS) or ''}.py"
    return f"shop/{NOUNS[number // len(PARTS)]}/{PARTS[number % len(PARTS)]}.py"


def versions(folder: Path, publications: int, files: int, names: str) -> Iterator[int]:
    """Makes the project's versions, each tagged and with its coverage data beside."""
    author, project = Author(9), folder / "project"
    run(folder, "git", "init", "--quiet", "project")
    modules = {source(number, names): author.module() for number in range(files)}
    others = {"shop/__init__.py": [""], "test_shop.py": [DRIVER], "pyproject.toml": [SETTINGS]}
    changed = modules | others
    for number in range(1, publications + 1):
        for path, parts in changed.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text("\n\n".join(parts))
        run(project, "git", "add", ".")
        run(project, "git", "commit", "--quiet", "--message", "Change the shop", at=number)
        run(project, "git", "tag", f"version-{number}")
        # No bytecode: it would pass for that of an edited file of the same second and size.
        measure = ("run", f"--data-file={folder}/coverage.{number}", "test_shop.py")
        run(project, sys.executable, "-B", "-m", "coverage", *measure)
        yield number
        changed = {path: modules[path] for path in author.sample(list(modules), 2)}
        for parts in changed.values():
            author.edit(parts)


def publish(folder: Path, job: str, number: int) -> None:
    """What a CI job does with a version."""
    checkout, branch = folder / f"{job}.checkout", folder / "plain.branch"
    version = ("--depth=1", f"--branch=version-{number}", f"file://{folder}/project")
    run(folder, "git", "clone", "--quiet", *version, checkout.name)
    shutil.copy(folder / f"coverage.{number}", checkout / ".coverage")
    if job == "plain":
        run(checkout, sys.executable, "-m", "coverage", "html", "--quiet")
        (checkout / "htmlcov/.gitignore").unlink()
        created = f"{FIRST + number * APART:created at %Y-%m-%d %H:%M %z}"
        for page in checkout.glob("htmlcov/*.html"):
            page.write_text(re.sub(r"created at [-\d: +]+", created, page.read_text()))
        shutil.rmtree(branch / "htmlcov", ignore_errors=True)
        shutil.move(checkout / "htmlcov", branch)
        run(branch, "git", "add", "--all")
        run(branch, "git", "commit", "--quiet", "--message", "Update coverage", at=number)
        run(branch, "git", "push", "--quiet", "../plain.git", f"HEAD:refs/heads/{BRANCH}")
    else:
        run(checkout, "git", "remote", "set-url", "origin", f"file://{folder}/{job}.git")
        (checkout / ".covsync.yaml").write_text(f"history: {job}\n")
        run(checkout, sys.executable, "-m", "covsync", "push")
    shutil.rmtree(checkout)


def clone_size(folder: Path, job: str) -> int:
    """The bytes of the packs that a clone of the data branch consists of."""
    clone, remote = folder / f"{job}.clone", folder / f"{job}.git"
    run(remote, "git", "gc", "--quiet")
    what = ("--bare", "--no-local", "--single-branch", f"--branch={BRANCH}", f"file://{remote}")
    run(folder, "git", "clone", "--quiet", *what, clone.name)
    size = sum(pack.stat().st_size for pack in clone.glob("objects/pack/*.pack"))
    shutil.rmtree(clone)
    return size


def replay(folder: Path, publications: int, files: int, names: str) -> None:
    """Publishes every version in all ways, and prints the sizes on the way and at the end."""
    for job in JOBS:
        run(folder, "git", "init", "--quiet", "--bare", f"{job}.git")
    run(folder, "git", "init", "--quiet", "plain.branch")
    shown, first = {1, publications // 4, publications // 2, publications}, 0
    print("publications       plain      append   / plain      single  / (first + history)")
    with ThreadPoolExecutor() as pool:
        made = versions(folder, publications, files, names)
        following = next(made, None)
        while number := following:
            jobs = [pool.submit(publish, folder, job, number) for job in JOBS]
            following = next(made, None)  # the next version is made while this one is published
            for each in jobs:
                each.result()
            if number in shown:
                plain, append, single = pool.map(lambda job: clone_size(folder, job), JOBS)
                first = first or single
                history = len(run(folder / "single.git", "git", "show", f"{BRANCH}:history.jsonl"))
                of_plain, of_one = append / plain, single / (first + history)
                sizes = f"{plain:12,}{append:12,}{of_plain:10.3f}{single:12,}{of_one:21.3f}"
                print(f"{number:12}{sizes}", flush=True)
    print(f"in bytes; the first publication is {first:,}, history.jsonl {history:,} at the end")
    if publications >= JUDGED_FROM:
        print(f"append / plain <= 0.25: {'met' if of_plain <= 0.25 else 'missed'}")
        print(f"single / (first + history) <= 1.5: {'met' if of_one <= 1.5 else 'missed'}")


def main() -> None:
    """Replays in a temporary folder, where no setting of whoever runs it has a say."""
    parser = argparse.ArgumentParser(description="Measures how large the data branch grows.")
    parser.add_argument("--publications", type=int, default=300)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--names", choices=("django", "unique"), default="django")
    for name in [name for name in os.environ if name.startswith(("GIT", "COV", "CI"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="covsync-growth-") as folder:
        Path(folder, "gitconfig").write_text(GIT_SETTINGS)
        os.environ |= {"GIT_CONFIG_GLOBAL": f"{folder}/gitconfig", "GIT_CONFIG_NOSYSTEM": "1"}
        replay(Path(folder), **vars(parser.parse_args()))


if __name__ == "__main__":
    main()
