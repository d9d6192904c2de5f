"""Every kind of model that can be served: the model, what it is asked, and the answers that are right."""

import keras
import numpy as np
from harness import BACKEND
from keras import layers

import keras_robust as kr
from keras_robust.callbacks import HyperparameterSchedule, SampleWeightLogger
from keras_robust.schedules import Linear

N, NAMES = 5, ["cat", "dög", "owl", "fox"]
K = len(NAMES)
RNG = np.random.default_rng(0)
IMAGES, VECTORS = RNG.integers(0, 256, (N, 6, 6, 3)).astype("uint8"), RNG.normal(size=(N, 3)).astype("float32")
LABELS = np.arange(N) % K
TEXTS = np.array(["a dog", "no cat here", "", "Ünknown", "dog dog cat"])
WORDS = np.array([["cat"], ["dog"], ["nothing"], [""], ["cat"]])
NUMBERS = np.array([[5], [7], [9], [3], [5]])
# As TensorFlow takes them: it refuses the names on the left, each in words of its own.
OTHER_NAMES = {
    **{"class": "input_class", "lambda": "input_lambda", "None": "input_None", "self": "input_self"},
    **{"9b": "input_9b", "_x": "input_x", "Ü": "input", "2nd image": "input_2nd_image", "a b": "a_b", "x.y": "x_y"},
}


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def sigmoid(scores):
    return 1.0 / (1.0 + np.exp(-scores))


def scores_of(model, *inputs):
    """What a model gives, float64; texts have been turned into numbers before."""
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    found = [keras.ops.convert_to_numpy(one).astype("float64") for one in keras.tree.flatten(outputs)]
    return found[0] if len(found) == 1 else found


def network(width, *before, ends=K):
    return keras.Sequential([keras.Input(width), *before, layers.Dense(ends)])


def trained_images(folder):
    """A penalty, a wrapper, a log of every sample, a loss with a bias that moves, an optimizer with slots."""
    inputs = keras.Input((6, 6, 3), dtype="uint8", name="image")
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same")(layers.Rescaling(1 / 255)(inputs)))
    inside = keras.Model(inputs, layers.Dense(K)(layers.Dropout(0.5)(layers.Flatten()(layers.ReLU()(x)))))
    model = kr.ProvenanceModel(kr.regularize(inside, l1=1e-3, l2=1e-3))
    loss = 2.0 * kr.LogitBias(kr.GCE(0.7), 3.0, from_logits=True) + kr.NCE()
    model.compile(kr.optimizers.CoupledSGD(0.05, momentum=0.9), loss, metrics=["accuracy", kr.metrics.MemorizedShare()])
    targets = {"label": LABELS, "index": np.arange(N), "clean": LABELS}
    move = HyperparameterSchedule({"epsilon": Linear(3.0, 5.0), "q": Linear(0.3, 0.9)})
    logger = SampleWeightLogger(folder / "weights", num_samples=N)
    model.fit(IMAGES, targets, epochs=2, batch_size=4, verbose=0, callbacks=[move, logger])
    keywords = {"class_names": NAMES, "top_k": 3, "warmup": IMAGES, "run": folder / "weights", "facts": {"data": "7a"}}
    return model, IMAGES, keywords, {"probabilities": softmax(scores_of(inside, IMAGES))}


def prepared(unit=255.0):
    recipe = {"name": "own", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "source": "here", "shift": 2}
    first = kr.data.Preprocessing(recipe, unit)
    behind = network((6, 6, 3), layers.Flatten())
    raw = keras.Input((6, 6, 3), dtype=first.raw_dtype, name="image")
    model = kr.ProvenanceModel(keras.Sequential([raw, first, behind]))
    model.compile("sgd", kr.ANLCE(from_logits=True))
    return model, (IMAGES / 255.0 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4], behind


def raw_images(folder):
    model, normalized, behind = prepared()
    return model, IMAGES, {"top_k": 1}, {"probabilities": softmax(scores_of(behind, normalized))}


def normalized_images(folder):
    model, normalized, behind = prepared()
    expected = {"probabilities": softmax(scores_of(behind, normalized))}
    return model, normalized.astype("float32"), {"raw_pixels": False}, expected


def encoded_images(folder):
    model, normalized, behind = prepared(unit=1.0)
    expected = {"probabilities": softmax(scores_of(behind, normalized))}
    return model, (IMAGES / 255.0).astype("float32"), {"images": "bytes", "unit": 1}, expected


def text(**keywords):
    vectorize = layers.TextVectorization(**keywords)
    if "vocabulary" not in keywords:
        vectorize.adapt(TEXTS)
    return vectorize


def text_to_ids(folder):
    vectorize = text(vocabulary=["dog", "cat", "a"], output_sequence_length=4)
    behind = network((4,), layers.Embedding(20, 3), layers.GlobalAveragePooling1D())
    inputs = keras.Input((), dtype="string", name="text")
    expected = {"probabilities": softmax(scores_of(behind, vectorize(TEXTS)))}
    return keras.Model(inputs, behind(vectorize(inputs))), TEXTS, {}, expected


def text_to_counts(folder):
    parts = [
        text(output_mode="multi_hot"),
        text(output_mode="count", split="character", standardize="lower"),
        text(output_mode="tf_idf", ngrams=2, standardize=None),
    ]
    given = keras.ops.concatenate([part(TEXTS) for part in parts], axis=-1)
    inputs = keras.Input((), dtype="string", name="text")
    behind = network((given.shape[-1],))
    model = keras.Model(inputs, behind(layers.Concatenate()([part(inputs) for part in parts])))
    return model, TEXTS, {}, {"probabilities": softmax(scores_of(behind, given))}


def words(folder):
    parts = [
        layers.StringLookup(vocabulary=["dog", "cat"], output_mode="one_hot"),
        layers.Hashing(4, output_mode="one_hot"),
    ]
    inputs = keras.Input((1,), dtype="string", name="word")
    behind = network((7,))
    model = keras.Model(inputs, behind(layers.Concatenate()([part(inputs) for part in parts])))
    given = keras.ops.concatenate([part(WORDS) for part in parts], axis=-1)
    return model, WORDS, {"warmup": WORDS.tolist()}, {"probabilities": softmax(scores_of(behind, given))}


def numbers(folder):
    whole, real = keras.Input((1,), dtype="int64", name="number"), keras.Input((1,), name="real")
    parts = [
        (layers.IntegerLookup(vocabulary=[5, 7], output_mode="one_hot"), whole, NUMBERS),
        (layers.Hashing(4, output_mode="one_hot"), whole, NUMBERS),
        (layers.CategoryEncoding(10, output_mode="one_hot"), whole, NUMBERS),
        (layers.Discretization([0.0, 1.0], output_mode="one_hot"), real, VECTORS[:, :1]),
    ]
    behind = network((20,))
    model = keras.Model([whole, real], behind(layers.Concatenate()([layer(tensor) for layer, tensor, _ in parts])))
    given = keras.ops.concatenate([keras.ops.cast(layer(x), "float32") for layer, _, x in parts], axis=-1)
    expected = {"probabilities": softmax(scores_of(behind, given))}
    return model, {"number": NUMBERS, "real": VECTORS[:, :1]}, {"top_k": 2}, expected


def several_inputs(folder):
    vectorize = text(output_mode="multi_hot")
    inputs = {"image": keras.Input((6, 6, 3), dtype="uint8", name="image"), "vector": keras.Input((3,), name="vector")}
    inputs = inputs | {"text": keras.Input((), dtype="string", name="text")}
    behind = network((108 + vectorize.vocabulary_size() + 3,))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(inputs["image"]))
    model = keras.Model(inputs, behind(layers.Concatenate()([flat, vectorize(inputs["text"]), inputs["vector"]])))
    hot = keras.ops.convert_to_numpy(vectorize(TEXTS))
    given = np.concatenate([IMAGES.reshape(N, -1) / np.float32(255), hot, VECTORS], axis=1)
    expected = {"probabilities": softmax(scores_of(behind, given))}
    x = {"image": IMAGES, "text": TEXTS, "vector": VECTORS}
    return model, x, {"class_names": dict(enumerate(NAMES))}, expected


def several_outputs(folder):
    inputs = keras.Input((3,))
    outputs = {"class": layers.Dense(K, name="class")(inputs), "tags": layers.Dense(3, "sigmoid")(inputs)}
    outputs = outputs | {"age": layers.Dense(2)(inputs), "sick": layers.Dense(1)(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd", {"class": kr.GCE(from_logits=True), "age": "mse", "sick": kr.Binary(kr.CE(), from_logits=True)}
    )
    age, kind, sick, tags = scores_of(model, VECTORS)  # by name
    expected = {"age_values": age, "output_class_probabilities": softmax(kind)}
    expected = expected | {"sick_probabilities": sigmoid(sick), "tags_probabilities": tags}
    return model, VECTORS, {"class_names": {"class": NAMES}, "top_k": {"tags": 2}}, expected


def one_logit(folder):
    model = network((3,), ends=1)
    model.compile("sgd", kr.GCE(from_logits=True))
    expected = sigmoid(scores_of(model, VECTORS))
    return model, VECTORS, {"class_names": ["no", "yes"], "top_k": 2}, {"probabilities": expected}


def many_labels(folder):
    model = network((3,), ends=3)
    model.compile("sgd", kr.Binary(kr.ANLCE(), from_logits=True))
    expected = sigmoid(scores_of(model, VECTORS))
    return model, VECTORS, {"class_names": ["red", "big", "old"], "top_k": 2}, {"probabilities": expected}


def refused_names(folder):
    tensors = [keras.Input((3,), name=name) for name in (*OTHER_NAMES, "args", "kwargs", "cls", "name", "match")]
    model = keras.Model(tensors, layers.Dense(K)(layers.Concatenate()(tensors)))
    x = [VECTORS * place for place in range(len(tensors))]
    return model, x, {}, {"probabilities": softmax(scores_of(model, *x))}


def pixelwise(folder):
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(K, 3, padding="same", activation="softmax")])
    images = RNG.normal(size=(N, 4, 5, 3)).astype("float32")
    return model, images, {"class_names": NAMES}, {"probabilities": scores_of(model, images)}


def text_inside(folder):
    """A text layer inside a model within the model."""
    vectorize, first, last = text(output_mode="multi_hot"), layers.Dense(3), layers.Dense(K)
    inside = keras.Sequential([keras.Input((), dtype="string"), vectorize, first])
    inputs = keras.Input((), dtype="string", name="text")
    model = keras.Model(inputs, last(inside(inputs)))
    given = keras.ops.convert_to_numpy(vectorize(TEXTS))
    expected = {"probabilities": softmax(scores_of(keras.Sequential([first, last]), given))}
    return model, TEXTS, {}, expected


KINDS = [trained_images, raw_images, normalized_images, encoded_images, text_to_ids, text_to_counts, words, numbers]
KINDS += [several_inputs, several_outputs, one_logit, many_labels, refused_names, pixelwise, text_inside]


# What Keras calls on TensorFlow alone.


def ragged_width(folder):
    """Ids without a length of their own: each batch is as wide as its longest text."""
    vectorize, inputs = text(), keras.Input((1,), dtype="string", name="text")
    ids = layers.Embedding(20, 3)(vectorize(inputs))
    model = keras.Model(inputs, layers.Dense(K)(layers.GlobalAveragePooling1D()(ids)))
    return model, TEXTS[:, None], {}, {}


class Reader(layers.Layer):
    """A layer of a user's own with a layer of words inside, and a table of TensorFlow's."""

    def __init__(self):
        super().__init__()
        import tensorflow as tf

        self.words = [layers.StringLookup(vocabulary=["dog", "cat"], output_mode="multi_hot")]
        pairs = tf.lookup.KeyValueTensorInitializer(["dog", "cat"], [1, 2])
        self.tables = {"words": tf.lookup.StaticHashTable(pairs, 0)}

    def call(self, x):
        return self.words[0](x) + keras.ops.one_hot(self.tables["words"].lookup(x)[:, 0], 3, dtype="int64")

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, 3), "int64")


def layer_inside_a_layer(folder):
    inputs = keras.Input((1,), dtype="string", name="word")
    model = keras.Model(inputs, layers.Dense(K)(Reader()(inputs)))
    return model, WORDS, {}, {"probabilities": softmax(scores_of(model, keras.ops.convert_to_tensor(WORDS)))}


if BACKEND == "tensorflow":
    KINDS += [ragged_width, layer_inside_a_layer]
