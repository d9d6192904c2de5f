"""Files that are there whole or not at all."""

import contextlib
import errno
import os
import pathlib
import struct
import tokenize
import zipfile
import zlib

#: What reading a damaged file of arrays may raise; numpy and zipfile have no error of their own for it.
DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, NotImplementedError, MemoryError),
    *(OverflowError, SyntaxError, tokenize.TokenError, struct.error, zipfile.BadZipFile, zlib.error),
)


@contextlib.contextmanager
def whole(path):
    """The path of a draft beside `path` that takes its place at the end: readers see the old file or the new one.

    If the block raises, the draft is removed; a process that is killed leaves at most a hidden draft. An error of the
    disk that does not say where it happened, as a failed write does not, says it here.
    """
    path = pathlib.Path(path)
    # The ending stays: Keras and matplotlib tell kinds of files by it.
    draft = path.with_name(f".draft-{os.getpid()}-{path.name}")
    try:
        yield draft
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        if error.filename is not None:
            raise
        # numpy only tells how much it could write.
        reason = error.strerror or f"Not written whole ({error}); is the disk full?"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)
