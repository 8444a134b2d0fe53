"""How a publication changes a data branch: the decision, without the push."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from covsync.config import Config
from covsync.contents import Files
from covsync.errors import PublicationError
from covsync.git.ancestry import precedes
from covsync.git.data_branch import NothingToDo, Proposal, Tip
from covsync.git.repository import Repository
from covsync.model import Source, blob_id
from covsync.render.badge import message_of
from covsync.render.data_json import holds_coverage, source_of
from covsync.render.fingerprint import fingerprint_of
from covsync.render.publication import Publication, is_owned, is_published
from covsync.render.subprojects import front_page, subprojects

FRONT_PAGE, AT_THE_TOP = "README.md", (".nojekyll",)
UP_TO_DATE = "is up to date ({})"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project's files are among the ``paths`` of a data branch, or of a folder like it.

    ``folder`` is empty for the project at the top, ``NAME/`` for a subproject.
    """

    paths: Collection[str]
    read_any: Callable[[str], bytes | None]
    folder: str

    @classmethod
    def of(
        cls, paths: Collection[str], read: Callable[[str], bytes | None], name: str | None
    ) -> Place:
        """The place of the subproject ``name``, or of the project at the top."""
        return cls(paths, read, f"{name}/" if name else "")

    def read(self, name: str) -> bytes | None:
        """One of the project's files, ``None`` where there is none yet."""
        return self.read_any(self.folder + name)

    def owns(self, path: str) -> bool:
        """Whether a file of the branch is this project's to write and to remove."""
        return path.startswith(self.folder) and is_owned(path.removeprefix(self.folder))

    def holds_coverage(self) -> bool:
        """Whether this project was published here before, by a tool of this layout."""
        return holds_coverage(self.read("data.json"), self.read("endpoint.json"))

    def is_covsyncs(self) -> bool:
        """Whether covsync published any project here before."""
        names = ["", *(f"{name}/" for name in subprojects(self.paths))]
        return any(source_of(self.read_any(f"{name}data.json")) for name in names)

    def whole(self, files: Files) -> Files:
        """A project's ``files`` where they belong, and the page that lists all subprojects."""
        own = files.only(files.keys() - {*AT_THE_TOP}).below(self.folder)
        placed = own.joined({path: files[path] for path in AT_THE_TOP})
        own_page = None if self.folder else files[FRONT_PAGE]
        page = front_page(own_page or self.read_any(FRONT_PAGE), self.figures(placed))
        return placed.joined({FRONT_PAGE: page})

    def figures(self, placed: Mapping[str, bytes]) -> dict[str, str]:
        """The percentage of each subproject by name, with what ``placed`` is to bring."""
        names = subprojects([*self.paths, *placed])
        endpoints = (f"{name}/endpoint.json" for name in names)
        figures = (message_of(placed.get(path) or self.read_any(path)) for path in endpoints)
        return {name: figure for name, figure in zip(names, figures, strict=True) if figure}


def already_published(
    tip: Tip, fingerprint: str, source: Source, config: Config
) -> NothingToDo | None:
    """``NothingToDo`` if ``tip`` already holds what a publication would bring.

    That shows without making it, by what ``data.json`` says of itself and its neighbours, of a
    publication of ``source`` with this ``fingerprint``.
    """
    place = Place.of(tip.entries, tip.read, config.subproject)
    page = tip.read(FRONT_PAGE)
    if page is None or front_page(page, place.figures({})) != page:
        return None
    blobs = tip.blobs()
    own = {path.removeprefix(place.folder): blobs[path] for path in blobs if place.owns(path)}
    if place.folder:
        own |= {path: blobs.get(path, "") for path in AT_THE_TOP}
    else:
        own[FRONT_PAGE] = blob_id(front_page(page, {}), tip.object_format)
    if not is_published(fingerprint, source, own, place.read):
        return None
    shown = message_of(place.read("endpoint.json"))
    return NothingToDo(UP_TO_DATE.format(f"{shown}% at {source.commit[:10]}"))


def propose(
    publication: Publication, tip: Tip, config: Config, repository: Repository
) -> Proposal | NothingToDo:
    """The publication on top of ``tip``, unless that holds this coverage or newer already.

    Raises ``PublicationError`` where the branch holds what is not covsync's to overwrite.
    """
    place = Place.of(tip.entries, tip.read, config.subproject)
    source, fingerprint = _published(place)
    history = place.read("history.jsonl") or b""
    if config.history == "auto":
        replaces_history = not tip.commit or (tip.parents == 0 and tip.by_covsync)
    else:
        replaces_history = config.history == "single"
    message = f"{config.message}\n\nSource-Commit: {publication.source.commit}\n"
    if source is not None and precedes(repository, tip.scratch, publication.source, source):
        files = publication.joined(history, place.read("endpoint.json"), source)
        placed = files.below(place.folder)
        changes = tip.changes(placed, lambda _: False)
        reason = f"is at the newer commit {source.commit[:10]} ({publication.figure()} is history)"
        if not changes:
            return NothingToDo(reason)
        return Proposal(placed, changes, replaces_history, message, source.committed_at, reason)
    _refuse_foreign(place, config.branch)
    if source == publication.source and not tip.changes(
        place.whole(publication.files(history, fingerprint)), place.owns
    ):
        return NothingToDo(UP_TO_DATE.format(publication.figure()))
    files = place.whole(publication.files(history, publication.fingerprint))
    changes = tip.changes(files, place.owns)
    return Proposal(
        files,
        changes,
        replaces_history,
        message,
        publication.source.committed_at,
    )


def _published(place: Place) -> tuple[Source | None, str | None]:
    """The source and the fingerprint in the branch's ``data.json``, ``None`` where it has none."""
    data = place.read("data.json")
    return source_of(data), fingerprint_of(data)


def _same_on_mac(one: str, other: str) -> bool:
    """Whether a clone on macOS or Windows could not hold both names."""
    return normalize("NFC", one).casefold() == normalize("NFC", other).casefold()


def _refuse_foreign(place: Place, branch: str) -> None:
    """A branch, or a folder of it, that something else lives in is not taken for coverage."""
    top = Place(place.paths, place.read_any, "")
    is_known = top.holds_coverage() or place.is_covsyncs()
    folders = {path.partition("/")[0] for path in place.paths}
    alike = [
        each
        for each in folders
        if place.folder and f"{each}/" != place.folder and _same_on_mac(each, place.folder[:-1])
    ]
    if alike:
        raise PublicationError(
            f"{branch} holds {alike[0]}, which some systems take for {place.folder[:-1]}",
            f"Spell the key `subproject` as there: {alike[0]}.",
        )
    is_taken = any(path.startswith(place.folder) for path in place.paths)
    if place.folder and is_taken and not place.holds_coverage():
        raise PublicationError(
            f"{place.folder} on {branch} holds other files, and no coverage data: they would be "
            "overwritten",
            "Give the key `subproject` another name.",
        )
    if not is_known and place.paths:
        raise PublicationError(
            f"{branch} holds other files, and no coverage data: they would be overwritten",
            "Name another branch for the data with --branch, such as covsync-data.",
        )
