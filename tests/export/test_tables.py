"""Models whose layers hold tables of words are served by TensorFlow alone, asked in words."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_robust.export import serving

pytestmark = pytest.mark.only("tensorflow")  # Keras calls these layers there alone

TEXTS = np.array(["a dog", "no cat here", "", "Ünknown", "dog dog cat"])
WORDS = np.array(["cat", "dog", "nothing", "", "cat"])
NUMBERS = np.array([5, 7, 9, -3, 5])
REALS = np.array([0.1, 2.5, -3.0, 100.0, 1.0], "float32")


def of_text(shape=(), **keywords):
    vectorize = layers.TextVectorization(**keywords)
    vectorize.adapt(TEXTS)
    inputs = keras.Input(shape, dtype="string", name="text")
    return inputs, vectorize(inputs)


def ending(inputs, x):
    return keras.Model(inputs, layers.Dense(3)(layers.Lambda(lambda x: keras.ops.cast(x, "float32"))(x)))


def embedded(inputs, ids):
    x = layers.Embedding(20, 4)(ids)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def text_in_a_sequential():
    vectorize = layers.TextVectorization(output_mode="multi_hot")
    vectorize.adapt(TEXTS)
    return keras.Sequential([keras.Input((), dtype="string", name="text"), vectorize, layers.Dense(3)])


def text_in_a_submodel():
    inputs = keras.Input((), dtype="string", name="text")
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(4)(text_in_a_sequential()(inputs))))


class Reader(layers.Layer):
    """A layer of a user's own with a layer of words inside."""

    def __init__(self):
        super().__init__()
        self.words = [layers.StringLookup(vocabulary=["dog", "cat"], output_mode="multi_hot")]

    def call(self, x):
        return self.words[0](x)

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, 3), "float32")


class OwnTable(layers.Layer):
    """A layer of a user's own on a table of TensorFlow's."""

    def __init__(self):
        super().__init__()
        import tensorflow as tf

        pairs = tf.lookup.KeyValueTensorInitializer(["dog", "cat"], [1, 2])
        self.tables = {"words": tf.lookup.StaticHashTable(pairs, 0)}

    def call(self, x):
        return keras.ops.one_hot(self.tables["words"].lookup(x)[:, 0], 3)

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, 3), "float32")


def looked_up(layer, dtype="string"):
    inputs = keras.Input((1,), dtype=dtype, name="word")
    return keras.Model(inputs, layers.Dense(3)(layer(inputs)))


def several():
    text, counts = of_text(output_mode="count")
    word = keras.Input((1,), dtype="string", name="word")
    number = keras.Input((1,), dtype="int64", name="number")
    parts = [
        counts,
        layers.StringLookup(vocabulary=["dog"], output_mode="one_hot")(word),
        layers.Hashing(5, output_mode="one_hot")(number),
    ]
    return keras.Model([text, word, number], layers.Dense(3)(layers.Concatenate()(parts)))


CASES = {
    "ids": (lambda: embedded(*of_text(output_sequence_length=4)), {"text": TEXTS}),
    "ragged width": (lambda: embedded(*of_text()), {"text": TEXTS}),
    "column": (lambda: embedded(*of_text((1,), output_sequence_length=3)), {"text": TEXTS[:, None]}),
    "multi hot": (lambda: ending(*of_text(output_mode="multi_hot")), {"text": TEXTS}),
    "tf-idf": (lambda: ending(*of_text(output_mode="tf_idf", ngrams=2)), {"text": TEXTS}),
    "sequential": (text_in_a_sequential, {"text": TEXTS}),
    "submodel": (text_in_a_submodel, {"text": TEXTS}),
    "layer inside a layer": (lambda: looked_up(Reader()), {"word": WORDS[:, None]}),
    "a table of one's own": (lambda: looked_up(OwnTable()), {"word": WORDS[:, None]}),
    "strings": (
        lambda: looked_up(layers.StringLookup(vocabulary=["dog", "cat"], output_mode="one_hot")),
        {"word": WORDS[:, None]},
    ),
    "integers": (
        lambda: looked_up(layers.IntegerLookup(vocabulary=[5, 7], output_mode="one_hot"), "int64"),
        {"word": NUMBERS[:, None]},
    ),
    "hashes": (lambda: looked_up(layers.Hashing(4, output_mode="one_hot")), {"word": WORDS[:, None]}),
    "categories": (
        lambda: looked_up(layers.CategoryEncoding(10, output_mode="one_hot"), "int64"),
        {"word": np.array([[0], [9], [3], [4], [4]])},
    ),
    "bins": (
        lambda: looked_up(layers.Discretization([0.0, 1.0, 3.0], output_mode="one_hot"), "float32"),
        {"word": REALS[:, None]},
    ),
    "several inputs": (several, {"text": TEXTS, "word": WORDS[:, None], "number": NUMBERS[:, None]}),
}

ASK = """
import json, pathlib, sys
sys.modules["keras"] = sys.modules["keras_robust"] = None  # importing them raises
import numpy as np, tensorflow as tf
found = {}
for case in map(pathlib.Path, sys.argv[1:]):
    served = tf.saved_model.load(str(case / "1")).signatures["serving_default"]
    asked = {name: tf.constant(value) for name, value in np.load(case / "asked.npz").items()}
    found[case.name] = served(**asked)["probabilities"].numpy().tolist()
print(json.dumps(found))
"""


def test_tables_are_served(tmp_path):
    import tensorflow as tf

    expected = {}
    for number, (name, (make, asked)) in enumerate(CASES.items()):
        model = make()
        case = tmp_path / str(number)
        serving(model, case)
        np.savez(case / "asked.npz", **asked)
        tensors = [tf.constant(value) for value in asked.values()]
        scores = model(tensors if len(tensors) > 1 else tensors[0])
        expected[name] = str(case), tf.nn.softmax(scores).numpy()
    command = [sys.executable, "-c", ASK, *(folder for folder, _ in expected.values())]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-3000:]
    for (name, (_, probabilities)), served in zip(expected.items(), json.loads(process.stdout).values(), strict=True):
        np.testing.assert_allclose(served, probabilities, atol=1e-6, err_msg=name)
        # What was looked up decides the answer.
        assert np.ptp(probabilities, axis=0).max() > 1e-4, name
