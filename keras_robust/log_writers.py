"""Who writes into the folder of a log: one at a time."""

import pathlib
import uuid

from keras_robust.files import whole

_CLAIM = ".writer"


def claim_log(path) -> str:
    """Makes a folder the one of a new writer, and returns what the writer is known by."""
    path, claim = pathlib.Path(path), uuid.uuid4().hex
    path.mkdir(parents=True, exist_ok=True)
    with whole(path / _CLAIM) as draft:
        draft.write_text(claim)
    return claim


def check_claim(path, claim: str) -> None:
    """Raises if another writer has taken the folder since: two would replace each other's epochs.

    Raises:
        ValueError: naming the folder.
    """
    file = pathlib.Path(path) / _CLAIM
    if not file.exists() or file.read_text() != claim:
        raise ValueError(f"Another SampleWeightLogger writes its log into {path}. Give each a folder of its own.")
