"""Arrays on disk with a checksum: a npz archive without pickle, written in one piece or not at all."""

import hashlib
import json
import pathlib

import numpy as np

from keras_robust.files import DAMAGE, whole


def write(path, arrays: dict, facts: dict) -> pathlib.Path:
    """Writes arrays, and facts that fit into JSON, under exactly this path; readers see the old file or the new one."""
    path = pathlib.Path(path)
    content = {**arrays, "facts": np.array(json.dumps(facts))}
    # Given an open file, numpy adds no ending to its name.
    with whole(path) as draft, open(draft, "wb") as file:
        np.savez_compressed(file, **content, checksum=np.array(_checksum(content)))
    return path


def read(path) -> tuple[dict, dict]:
    """The arrays and facts that `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file, if it is not one of ours or not as it was written.
    """
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                content = {name: archive[name] for name in archive.files}
            written = str(content.pop("checksum"))
            facts = json.loads(str(content["facts"]))
        except (OSError, *DAMAGE) as error:
            raise ValueError(f"{path} is damaged, or not a file of saved labels: {error}.") from error
    if written != _checksum(content):
        raise ValueError(f"{path} is damaged: its content does not have the checksum it was saved with.")
    del content["facts"]
    return content, facts


def _checksum(content):
    digest = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
