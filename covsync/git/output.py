"""What a git command writes, read no further than a limit."""

from __future__ import annotations

import os
import selectors
import subprocess
import time

PIECE = 1 << 16


class TooMuchOutputError(Exception):
    """A command wrote more than it may."""


def outputs(process: subprocess.Popen[bytes], seconds: int, most: int) -> tuple[bytes, bytes]:
    """All that ``process`` writes to stdout and stderr, once it has ended.

    Raises ``subprocess.TimeoutExpired`` after so many ``seconds``, and ``TooMuchOutputError`` after
    so many bytes; the process is still to be ended then.
    """
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe]
    written = {pipe.fileno(): bytearray() for pipe in pipes}
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0, until - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, seconds)
            for key, _ in ready:
                piece = os.read(key.fd, PIECE)
                written[key.fd] += piece
                if not piece:
                    selector.unregister(key.fileobj)
            if sum(map(len, written.values())) > most:
                raise TooMuchOutputError
    process.wait(max(0.1, until - time.monotonic()))
    output, error = (bytes(each) for each in written.values())
    for pipe in pipes:
        pipe.close()
    return output, error
