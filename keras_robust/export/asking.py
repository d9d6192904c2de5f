"""Asks SavedModels with TensorFlow alone: a program for a process of its own, in which Keras cannot be imported.

    python asking.py CASES

CASES is a JSON file, a list of {"version", "request", "answer", "rows", "encode"}: the folder of a version, a npz file
of arrays by input, the npz file to write, how many rows are asked at a time, and {input: what a white pixel is} for
images that are encoded as PNG first. What is written is "BATCH|SIGNATURE|ANSWER" -> array.
"""

import json
import sys


def main(cases: str) -> None:
    """Answers the cases of a file."""
    sys.modules["keras"] = sys.modules["keras_robust"] = None  # importing them raises
    with open(cases) as file:
        for case in json.load(file):
            _answer(case)


def _answer(case):
    import numpy as np
    import tensorflow as tf

    with np.load(case["request"], allow_pickle=False) as request:
        inputs = {name: request[name] for name in request.files}
    for name, unit in case["encode"].items():
        whole = np.round(inputs[name] * (255.0 / unit)).astype("uint8")
        inputs[name] = np.array([tf.io.encode_png(image).numpy() for image in whole], "object")
    signatures = tf.saved_model.load(case["version"]).signatures
    count = len(next(iter(inputs.values())))
    found = {}
    for batch, first in enumerate(range(0, count, case["rows"])):
        rows = slice(first, first + case["rows"])
        asked = {name: tf.constant(array[rows]) for name, array in inputs.items()}
        for key in signatures:
            for name, value in signatures[key](**asked).items():
                array = value.numpy()
                if value.dtype == tf.string:
                    array = np.array([text.decode() for text in array.flat]).reshape(array.shape)
                found[f"{batch}|{key}|{name}"] = array
    np.savez(case["answer"], **found)


if __name__ == "__main__":
    main(sys.argv[1])
