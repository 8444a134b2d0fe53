"""Projects as people have them, measured as their tools' documentation says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Checkout, run

DATA = Path(__file__).parent / "data"

PYTEST_PROJECT = {
    "pyproject.toml": """\
[project]
name = "converter"
version = "1"

[tool.pytest.ini_options]
pythonpath = ["src"]

[tool.coverage.run]
source = ["src"]
""",
    "src/converter/__init__.py": """\
def to_kelvin(celsius):
    if celsius < -273.15:
        raise ValueError("colder than cold")
    return celsius + 273.15
""",
    "src/converter/unused.py": "def never():\n    return None\n",
    "tests/test_converter.py": """\
import pytest

from converter import to_kelvin


@pytest.mark.parametrize("celsius, kelvin", [(0, 273.15), (-273.15, 0)])
def test_to_kelvin(celsius, kelvin):
    assert to_kelvin(celsius) == kelvin
""",
    ".gitignore": ".coverage\n__pycache__/\n.pytest_cache/\n",
}

DJANGO_APP = {
    ".coveragerc": "[run]\nbranch = True\n",
    ".gitignore": ".coverage\n__pycache__/\ndb.sqlite3\n",
    "myapp/models.py": """\
from django.db import models


class Parcel(models.Model):
    grams = models.PositiveIntegerField()

    def postage(self):
        if self.grams <= 20:
            return 95
        if self.grams <= 500:
            return 180
        return 550
""",
    "myapp/views.py": """\
from django.http import JsonResponse

from .models import Parcel


def postage(request, pk):
    parcel = Parcel.objects.filter(pk=pk).first()
    if parcel is None:
        return JsonResponse({}, status=404)
    return JsonResponse({"postage": parcel.postage()})
""",
    "myapp/tests.py": """\
from django.test import RequestFactory, TestCase

from .models import Parcel
from .views import postage


class PostageTest(TestCase):
    def test_letter(self):
        parcel = Parcel.objects.create(grams=20)
        answer = postage(RequestFactory().get("/"), parcel.pk)
        self.assertEqual(answer.status_code, 200)
""",
}


def readme_of(remote: Path) -> str:
    return run(["git", "show", "covsync-data:README.md"], remote).out


def test_a_pytest_project(checkout: Checkout, remote: Path) -> None:
    checkout.write(PYTEST_PROJECT)
    checkout.commit()
    checkout.coverage("run", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    ended = checkout.covsync("check", "--fail-under", "60", "--fail-under-file", "60")
    assert ended.status == 2
    assert ended.out.startswith(
        "src/converter/unused.py: 0% is below 60% (fail_under_file); missing "
        "src/converter/unused.py:1-2\n"
        "total: 50% is below 60% (fail_under); missing src/converter/unused.py:1-2; "
        "src/converter/__init__.py:3\n"
    )
    assert checkout.covsync("push").status == 0
    table = checkout.coverage("report", "--format=markdown", "--show-missing").out
    assert table in readme_of(remote)


def test_a_django_project_measured_as_its_documentation_says(
    checkout: Checkout, remote: Path
) -> None:
    """``coverage run --source='.' manage.py test myapp``, with branches."""
    made = run(["django-admin", "startproject", "mysite", "."], checkout.folder)
    assert made.status == 0, made
    assert run(["django-admin", "startapp", "myapp"], checkout.folder).status == 0
    checkout.write(DJANGO_APP)
    settings = checkout.folder / "mysite" / "settings.py"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "myapp",'))
    made = run(["python", "manage.py", "makemigrations", "myapp"], checkout.folder)
    assert made.status == 0, made
    checkout.commit()
    checkout.coverage("run", "--source=.", "manage.py", "test", "myapp")

    total = checkout.coverage("report", "--format=total").out.strip()
    ended = checkout.covsync("check", "--fail-under", "100")
    assert ended.status == 2
    assert ended.out.startswith(f"total: {total}% is below 100% (fail_under); missing ")
    assert "myapp/models.py" in ended.out
    assert checkout.covsync("check", "--fail-under", "50").status == 0

    ended = checkout.covsync("push")
    assert ended.status == 0, ended
    readme = readme_of(remote)
    table = checkout.coverage("report", "--format=markdown", "--show-missing").out
    assert table in readme
    assert "|   Branch |   BrPart |" in table
    pages = run(["git", "ls-tree", "-r", "--name-only", "covsync-data"], remote).out
    assert re.search(r"^htmlcov/\w+_models_py\.html$", pages, re.MULTILINE)


@pytest.fixture
def published_elsewhere(checkout: Checkout) -> Checkout:
    """A clone of a public project, in which only its published figures are at hand."""
    data = json.loads((DATA / "edx-exams.json").read_text(encoding="utf-8"))
    checkout.write({"coverage.json": json.dumps(data["raw_data"]), "setup.py": ""})
    checkout.git("remote", "set-url", "origin", "https://github.com/edx/edx-exams.git")
    checkout.commit()
    return checkout


def test_a_published_projects_figures_keep_their_layout(
    published_elsewhere: Checkout, remote: Path
) -> None:
    """Headings, their order, the table's figures and the badges' addresses are the original's.

    The original's badge says 99% beside a table that says 94%; here both tell the same.
    """
    name = "python-coverage-comment-action-data"
    url = "https://github.com/edx/edx-exams"
    settings = f'[tool.covsync]\nbranch = "{name}"\ndata_file = "coverage.json"\n'
    published_elsewhere.write({"pyproject.toml": settings})
    published_elsewhere.commit()
    published_elsewhere.env["CI"] = "true"  # where the report may be another job's
    published_elsewhere.git("config", f"url.{remote}.insteadOf", f"{url}.git")
    assert published_elsewhere.covsync("push").status == 0
    there = run(["git", "show", f"{name}:endpoint.json"], remote).out
    assert json.loads(there) == {
        "schemaVersion": 1,
        "label": "Coverage",
        "message": "94%",
        "color": "brightgreen",
    }
    published_elsewhere.git("config", "--unset", f"url.{remote}.insteadOf")
    assert published_elsewhere.covsync("push", "--output-dir", "../out").status == 0
    ours = (published_elsewhere.folder.parent / "out" / "README.md").read_text(encoding="utf-8")
    theirs = (DATA / "edx-exams.README.md").read_text(encoding="utf-8")
    headings = [line for line in theirs.splitlines() if line.startswith("#")]
    assert [line for line in ours.splitlines() if line.startswith("#")] == headings
    assert rows(ours) == rows(theirs)
    badges = [line for line in theirs.splitlines() if line.startswith("[![")]
    report = f"https://htmlpreview.github.io/?{url}/blob/{name}/htmlcov/index.html"
    front = f"{url}/tree/{name}"
    assert [line for line in ours.splitlines() if line.startswith("[![")] == [
        badge.replace(f"]({report})", f"]({front})")
        for badge in badges
        for _ in ("as it looks", "to copy")
    ]


def rows(readme: str) -> list[list[str]]:
    """The table's cells, however a version of coverage.py aligns and escapes them."""
    lines = [line for line in readme.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip().replace("\\", "") for cell in line.split("|")] for line in lines]
