"""covsync's errors: each says in one line what is wrong, and in another what to do about it."""

from __future__ import annotations

from typing import ClassVar


class CovsyncError(Exception):
    """What was asked for could not be done.

    Raised where it is found, printed in one place (``covsync.cli``).
    ``message`` says what is wrong in one line, ``fix`` what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class PublicationError(CovsyncError):
    """Coverage that cannot be published, as things are; ``--soft-fail`` makes it a warning."""

    @classmethod
    def of(cls, error: CovsyncError) -> PublicationError:
        """The same, where what is wrong is what was published before."""
        return cls(error.message, error.fix)


class NothingToJudgeError(CovsyncError):
    """There is no coverage that could be judged: exit code 3."""

    exit_code: ClassVar[int] = 3


class NoDataError(NothingToJudgeError):
    """There is no coverage data at all, as where no test ran; ``no_data = "warn"`` allows it."""
