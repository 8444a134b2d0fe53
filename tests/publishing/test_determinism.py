"""What is published depends on the coverage and its commit alone, and only what changed changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import Checkout, run

PROJECT = {
    "pyproject.toml": (
        '[tool.coverage.run]\nbranch = true\nsource = ["shop"]\n'
        '[tool.covsync]\nhistory = "append"\n'
    ),
    ".gitignore": ".coverage\n__pycache__/\n",
    "shop/__init__.py": "",
    "shop/cart.py": (
        "class Cart:\n    def __init__(self):\n        self.items = []\n\n"
        "    def add(self, item):\n        if item is None:\n            return\n"
        "        self.items.append(item)\n"
    ),
    "shop/prices/__init__.py": "",
    "shop/prices/tax.py": "def tax(price, rate=20):\n    return price * rate / 100\n",
    "shop/prices/größe.py": "def tall(height):\n    return 'groß' if height > 9 else 'klein'\n",
    "test_shop.py": (
        "from shop.cart import Cart\nfrom shop.prices.größe import tall\n"
        "from shop.prices.tax import tax\n\nCart().add('tea')\ntall(3)\ntax(7)\n"
    ),
}
MEASURE_AND_PUSH = "umask {umask} && coverage run test_shop.py && covsync push"
NOBODY = 65534


def started(folder: Path, when: str = "2026-11-20T10:00:00+01:00") -> Checkout:
    """A repository with the project in one commit."""
    folder.mkdir()
    made = Checkout(folder, {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when})
    made.git("init", "--quiet")
    made.write(PROJECT)
    made.commit("Open a shop")
    return made


def bare(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(["git", "init", "--quiet", "--bare", str(folder)], folder.parent)
    return folder


def cloned(source: Path, place: Path) -> tuple[Checkout, Path]:
    """A clone of ``source`` in ``place``, and a remote of its own."""
    remote = bare(place / "remote.git")
    run(["git", "clone", "--quiet", str(source), str(place / "clone")], place)
    checkout = Checkout(place / "clone")
    checkout.git("remote", "set-url", "origin", str(remote))
    return checkout, remote


def published(remote: Path) -> tuple[str, str]:
    """The commit and the tree of the data branch."""
    done = run(["git", "rev-parse", "covsync-data", "covsync-data^{tree}"], remote)
    commit, tree = done.out.split()
    return commit, tree


def measure_and_push(
    checkout: Checkout, env: dict[str, str] | None = None, umask: str = "022"
) -> None:
    command = MEASURE_AND_PUSH.format(umask=umask)
    done = run(["sh", "-c", command], checkout.folder, env)
    assert done.status == 0, done


def as_nobody(command: list[str], folder: Path, env: dict[str, str]) -> None:
    """Runs it as another user, who may yet read what is root's: this very Python may lie there."""
    may_read = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    someone = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    subprocess.run(
        ["setpriv", *someone, *may_read, *command],
        cwd=folder,
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return started(tmp_path_factory.mktemp("source") / "shop").folder


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What a plain measurement in a plain place publishes."""
    checkout, remote = cloned(source, tmp_path_factory.mktemp("here"))
    measure_and_push(checkout)
    return published(remote)


@pytest.mark.parametrize(
    "env",
    [
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
        {"TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "LANGUAGE": "de", "PYTHONHASHSEED": "4242"},
        {"COLUMNS": "20", "TERM": "dumb", "FORCE_COLOR": "1", "CI": "true"},
        {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONDEVMODE": "1", "SOURCE_DATE_EPOCH": "1"},
        {"COVERAGE_CORE": "pytrace"},
    ],
    ids=str,
)
@pytest.mark.first(2)
def test_no_variable_has_a_say(
    source: Path, expected: tuple[str, str], tmp_path: Path, env: dict[str, str]
) -> None:
    checkout, remote = cloned(source, tmp_path)
    measure_and_push(checkout, env)
    assert published(remote) == expected


def test_another_users_name_home_and_rights_are_not_told(
    source: Path, expected: tuple[str, str], tmp_path: Path
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = Somebody Else\nemail = else@localhost\n")
    env = {"USER": "else", "LOGNAME": "else", "HOME": str(tmp_path)}
    env |= {"GIT_CONFIG_GLOBAL": str(settings), "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z"}
    env |= {"GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@localhost"}
    checkout, remote = cloned(source, tmp_path)
    measure_and_push(checkout, env, umask="077")
    assert published(remote) == expected


def test_another_user_publishes_the_same(source: Path, expected: tuple[str, str]) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else, and only with setpriv")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        checkout, remote = cloned(source, home)
        (home / "gitconfig").touch()
        for path in (home, *home.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)
        env = {"HOME": name, "GIT_CONFIG_GLOBAL": str(home / "gitconfig")}
        as_nobody(["sh", "-c", MEASURE_AND_PUSH.format(umask="022")], checkout.folder, env)
        shutil.chown(remote, 0, 0)
        for path in remote.rglob("*"):
            shutil.chown(path, 0, 0)
        assert published(remote) == expected


@pytest.mark.parametrize("place", ["a/b/c/d", "with a space", "Größe %41 [x] (y)", "d" * 200])
@pytest.mark.first(1)
def test_it_does_not_matter_where_the_clone_and_the_temporary_files_are(
    source: Path, expected: tuple[str, str], tmp_path: Path, place: str
) -> None:
    temporary = tmp_path / "temporary" / place
    temporary.mkdir(parents=True)
    checkout, remote = cloned(source, tmp_path / place)
    measure_and_push(checkout, {"TMPDIR": str(temporary)})
    assert published(remote) == expected
    assert not list(temporary.iterdir())


@pytest.mark.stress
def test_data_measured_in_another_clone_is_published_the_same(
    source: Path, expected: tuple[str, str], tmp_path: Path
) -> None:
    there, _ = cloned(source, tmp_path / "there")
    here, remote = cloned(source, tmp_path / "here")
    there.coverage("run", f"--data-file={here.folder}/.coverage", "test_shop.py")
    shutil.rmtree(there.folder)
    assert here.covsync("push").status == 0
    assert published(remote) == expected


@pytest.mark.stress
def test_parallel_data_combined_in_any_order_is_published_the_same(
    source: Path, expected: tuple[str, str], tmp_path: Path
) -> None:
    checkout, remote = cloned(source, tmp_path)
    for _ in range(3):
        checkout.coverage("run", "--parallel-mode", "test_shop.py")
    checkout.coverage("combine", "--quiet")
    assert checkout.covsync("push").status == 0
    assert published(remote) == expected


INDEXES = {f"htmlcov/{name}.html" for name in ("index", "function_index", "class_index")}
EACH_TIME = {"data.json", "history.jsonl", "trend.svg"}
FIGURE = {"README.md", "badge.svg", "endpoint.json"}
COVERED_MORE = "def tax(price, rate=20):\n    price = int(price)\n    return price * rate / 100\n"


@pytest.mark.parametrize(
    "text, also",
    [
        (PROJECT["shop/prices/tax.py"] + "\n\ndef free():\n    return 0\n", FIGURE | INDEXES),
        (PROJECT["shop/prices/tax.py"].replace("20", "25"), set()),
        (PROJECT["shop/prices/tax.py"] + "# rounded by the till\n", set()),
    ],
    ids=["another total", "the same total", "a comment"],
)
@pytest.mark.stress
def test_a_change_of_one_source_changes_its_page_and_what_tells_its_figures(
    tmp_path: Path, text: str, also: set[str]
) -> None:
    remote = bare(tmp_path / "remote.git")
    first = started(tmp_path / "shop")
    first.git("remote", "add", "origin", str(remote))
    measure_and_push(first)
    changed = {
        "2026-11-20T11:00:00+01:00": COVERED_MORE,  # from now on there is a trend
        "2026-11-20T12:00:00+01:00": PROJECT["shop/prices/tax.py"],
        "2026-11-20T13:00:00+01:00": text,
    }
    for when, content in changed.items():
        checkout = Checkout(first.folder, {"GIT_COMMITTER_DATE": when})
        checkout.write({"shop/prices/tax.py": content})
        checkout.commit("Change the tax")
        measure_and_push(checkout)
    command = ["git", "diff-tree", "-r", "--name-only", "-z", "covsync-data^", "covsync-data"]
    paths = set(filter(None, run(command, remote).out.split("\0")))
    pages = {path for path in paths if path.endswith("_tax_py.html")}
    assert len(pages) == 1
    assert paths - pages == EACH_TIME | also
    assert run(["git", "rev-list", "--count", "covsync-data"], remote).out == "4\n"
