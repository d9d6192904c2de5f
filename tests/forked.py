"""Programs of the tests in processes of their own: forks of one that has imported Keras, and nothing of this package.

An import of Keras and its backend takes seconds, a fork none.
"""

import multiprocessing
import os
import pathlib
import sys
import tempfile
from typing import NamedTuple

from room import roomy

_FORKS = multiprocessing.get_context("forkserver")
# CUDA does not work in the fork of a process that has started it.
_FORKS.set_forkserver_preload([] if os.environ.get("CUDA_VISIBLE_DEVICES") else ["keras"])
_LIMIT = 600  # seconds


class Ended(NamedTuple):
    """How a process ended: with 0, what it exited with, or minus the signal that killed it."""

    returncode: int
    stdout: str
    stderr: str


class Started:
    """A program that runs as by `python -c`, on the backend of this process."""

    def __init__(self, code: str, *arguments, environment: dict | None = None):
        self.code, self._folder = code, tempfile.TemporaryDirectory()
        self._outputs = [pathlib.Path(self._folder.name, name) for name in ("stdout", "stderr")]
        arguments = code, [*map(str, arguments)], self._outputs, os.environ | (environment or {})
        self.process = _FORKS.Process(target=_program, args=arguments)
        self.process.start()

    def ended(self) -> Ended:
        """Waits for it."""
        self.process.join(_LIMIT)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"{self.code}\nruns for more than {_LIMIT} seconds")
        printed = [path.read_text() if path.exists() else "" for path in self._outputs]
        self._folder.cleanup()
        return Ended(self.process.exitcode, *printed)


def program(path) -> str:
    """The code that runs a file as a program."""
    return f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"


def run(code: str, *arguments) -> Ended:
    """How a program ended, with what it printed."""
    return Started(code, *arguments).ended()


@roomy
def _program(code, arguments, outputs, environment):
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
