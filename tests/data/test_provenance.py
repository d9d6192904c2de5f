"""A user's own data with ids."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from harness import in_turn, once

from keras_robust import data
from keras_robust.data import with_provenance

X = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 7, 50)
CLEAN = np.random.default_rng(2).integers(0, 7, 50)
NAMES = list("gabcdef")  # not in the order of the alphabet
NAMED = np.array(NAMES)[Y]


def rows(dataset):
    """Everything in a data set, put in the order of the index."""
    batches = list(dataset.as_numpy_iterator())
    x = np.concatenate([batch[0] for batch in batches])
    targets = {name: np.concatenate([batch[1][name] for batch in batches]) for name in batches[0][1]}
    by_index = np.argsort(targets["index"])
    return x[by_index], {name: values[by_index] for name, values in targets.items()}, targets["index"]


@pytest.mark.parametrize("clean", [None, CLEAN])
@pytest.mark.parametrize("y", [Y, Y[:, None], Y.astype("uint8"), list(Y)], ids=["ids", "column", "uint8", "list"])
def test_arrays(clean, y):
    dataset = with_provenance((X, y), clean=clean, batch_size=16)
    assert len(dataset) == 4
    epochs = []
    for _ in range(2):
        x, targets, order = rows(dataset)
        assert np.array_equal(x, X)
        assert np.array_equal(targets["label"], Y)
        assert np.array_equal(targets["index"], np.arange(50))
        assert sorted(targets) == (["index", "label"] if clean is None else ["clean", "index", "label"])
        assert clean is None or np.array_equal(targets["clean"], CLEAN)
        assert {values.dtype for values in targets.values()} == {np.dtype("int32")}
        epochs.append(order.tolist())
    assert epochs[0] != epochs[1]
    assert epochs[0] != list(range(50))


LABELS = {
    "one-hot": (np.eye(7)[Y], None, None),
    "booleans": (np.eye(7)[Y].astype("uint8"), None, None),
    "names": (NAMED, NAMES, NAMES),
    "objects": (NAMED.astype(object), np.array(NAMES), NAMES),
    "bytes": (NAMED.astype(bytes), dict(enumerate(NAMES)), NAMES),
    "categories": (pd.Series(pd.Categorical(NAMED, NAMES)), None, NAMES),
    "Series": (pd.Series(NAMED, index=range(50, 0, -1)), pd.Series(NAMES), NAMES),
    "ids with names": (Y, NAMES, NAMES),
}


@pytest.mark.parametrize("form", in_turn(LABELS))
def test_labels_as_people_have_them(form):
    y, class_names, expected = LABELS[form]
    for pipeline in ("tf.data", "device"):
        numbered = with_provenance((X, y), pipeline=pipeline, class_names=class_names, shuffle=False, batch_size=50)
        _, targets = next(iter(numbered))
        assert np.asarray(targets["label"]).tolist() == Y.tolist()
        assert numbered.class_names == expected


def test_names_that_come_are_sorted():
    numbered = with_provenance((X, list(NAMED)), clean=[*NAMED[:-1], "h"], shuffle=False, batch_size=50)
    _, targets = next(iter(numbered))
    assert numbered.class_names == list("abcdefgh")
    assert [numbered.class_names[id] for id in targets["label"].numpy()] == NAMED.tolist()
    assert targets["clean"].numpy()[-1] == 7


def test_rows_of_tables():
    numbers = pd.DataFrame({"a": np.arange(50), "b": X[:, 0], "c": Y > 3})
    x, _, _ = rows(with_provenance((numbers, Y)))
    assert np.array_equal(x, np.stack([np.arange(50), X[:, 0], Y > 3], axis=1))
    mixed = numbers.assign(d=NAMED)
    x, _ = next(iter(with_provenance((mixed, mixed["d"]), batch_size=50, shuffle=False)))
    assert x["d"].numpy().astype(str).tolist() == NAMED.tolist()
    assert x["a"].numpy().tolist() == list(range(50))
    texts, _ = next(iter(with_provenance((list(NAMED), Y), batch_size=50, shuffle=False)))
    assert texts.numpy().astype(str).tolist() == NAMED.tolist()


TF_LABELS = {
    "one-hot in batches": lambda: dataset(X, np.eye(7, dtype="float32")[Y]).batch(8),
    "one-hot": lambda: dataset(X, np.eye(7, dtype="float32")[Y]),
    "whole one-hot": lambda: dataset(X, np.eye(7, dtype=int)[Y]).batch(8),
    "a column of floats": lambda: dataset(X, Y[:, None].astype("float32")).batch(8),
    "names": lambda: dataset(X, NAMED),
    "names in batches": lambda: dataset(X, NAMED[:, None]).batch(8),
}


@pytest.mark.parametrize("form", in_turn(TF_LABELS))
def test_labels_of_data_sets(form):
    names = NAMES if "names" in form else None
    numbered = with_provenance(TF_LABELS[form](), CLEAN, class_names=names)
    _, targets, order = rows(numbered)
    assert order.tolist() == list(range(50))
    assert targets["label"].tolist() == Y.tolist()
    assert numbered.class_names == names


def test_rows_that_are_no_labels_stop_a_data_set():
    for y, names, words in (
        (0.5 * np.eye(7)[Y], None, "must be one-hot rows"),
        (NAMED, list("abcdef"), "must be names of `class_names`"),
        (Y[:, None] / 2, None, "must be class ids"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            list(with_provenance(dataset(X, y).batch(8), class_names=names))


class Batches(keras.utils.PyDataset):
    """A user's own: 50 rows in batches of 16."""

    def __init__(self, y=Y, **attributes):
        super().__init__()
        self.y, self.order = y, np.arange(50)
        vars(self).update(attributes)

    def __len__(self):
        return 4

    def __getitem__(self, place):
        rows = self.order[place * 16 : (place + 1) * 16]
        return X[rows], self.y[rows]


class Turning(Batches):
    def on_epoch_end(self):
        self.order = self.order[::-1]


@once
def test_a_dataset_of_keras_with_a_fixed_order():
    for given, names in ((Batches(), None), (Batches(NAMED), NAMES), (Batches(np.eye(7)[Y]), None)):
        numbered = with_provenance(given, CLEAN, class_names=names)
        batches = [numbered[place] for place in (2, 0, 3, 1)]
        index = np.concatenate([targets["index"] for _, targets in batches])
        assert sorted(index) == list(range(50))
        assert np.array_equal(np.concatenate([x for x, _ in batches]), X[index])
        assert np.array_equal(np.concatenate([targets["label"] for _, targets in batches]), Y[index])
        assert np.array_equal(np.concatenate([targets["clean"] for _, targets in batches]), CLEAN[index])
        assert numbered.class_names == names
    turning = with_provenance(Turning(shuffle=False))
    turning.on_epoch_end()
    with pytest.raises(ValueError, match="order of its own: batch 0 has other labels"):
        turning[0]


@once
def test_labels_of_a_dataset_of_keras_that_do_not_fit():
    with pytest.raises(ValueError, match="`class_names` of with_provenance must be the names of the classes"):
        with_provenance(Batches(NAMED))  # a batch does not hold all names
    for clean, words in ((CLEAN[:48], "at most 64. Received: clean='48"), (np.zeros(65, int), "Received: clean='65")):
        with pytest.raises(ValueError, match=f"`clean` of with_provenance must be as many labels as samples.*{words}"):
            with_provenance(Batches(), clean)
    for count in (49, 51):
        numbered = with_provenance(Batches(), np.zeros(count, int))
        with pytest.raises(ValueError, match="`clean` of with_provenance must be of 50 labels, as many as samples"):
            numbered[3]
    with pytest.raises(ValueError, match="`clean` of with_provenance must be of the shape of y"):
        with_provenance(Batches(), np.zeros((50, 2, 2), int))


@once
def test_datasets_of_keras_with_an_order_of_their_own():
    class Random(Batches):
        def __getitem__(self, place):
            self.order = self.order[::-1]
            return super().__getitem__(place)

    for given, words in (
        (Turning(), "Turning.on_epoch_end may change it"),
        (Batches(shuffle=True), "Batches.shuffle is on"),
        (data.Feed(X, Y, 8, seed=0), "Feed with a seed"),
        (Random(), "batch 0 has other labels"),
    ):
        with pytest.raises(ValueError, match=f"`data` of with_provenance has an order of its own.*{words}"):
            with_provenance(given)
    uneven = with_provenance(Batches())
    uneven.dataset.order = np.arange(40)
    with pytest.raises(ValueError, match="batches of the same size but for the last, 16 samples"):
        uneven[2]
    with pytest.raises(ValueError, match="left to you for a data set"):
        with_provenance(Batches(), shuffle=True)


def test_orders_of_arrays():
    first = [rows(with_provenance((X, Y), seed=seed))[2].tolist() for seed in (0, 0, 1)]
    assert first[0] == first[1] != first[2]
    plain = with_provenance((X, Y), shuffle=False, batch_size=16)
    assert rows(plain)[2].tolist() == rows(plain)[2].tolist() == list(range(50))
    whole = with_provenance((X, Y), batch_size=16, drop_remainder=True)
    assert [len(x) for x, _ in whole] == [16, 16, 16]
    assert whole.element_spec[0].shape == (16, 6)


def test_nested_inputs_and_weights():
    inputs = {"first": X, "second": (X[:, :2], X[:, 2:])}
    for x, targets, weight in with_provenance((inputs, Y, np.arange(50.0)), batch_size=20):
        index = targets["index"].numpy()
        assert np.array_equal(x["first"], X[index])
        assert np.array_equal(x["second"][1], X[index, 2:])
        assert np.array_equal(weight, index)


def test_tensors_of_the_backend_are_arrays_too():
    x, targets, _ = rows(with_provenance((keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y))))
    assert np.array_equal(x, X)
    assert np.array_equal(targets["label"], Y)


def dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(parts)


@pytest.mark.parametrize("batches", [None, 8], ids=["single", "batches"])
@pytest.mark.parametrize("y", [Y, Y[:, None], Y.astype("uint8")], ids=["ids", "column", "uint8"])
def test_data_sets(batches, y):
    given = dataset(X, y if batches else y.reshape(-1))
    numbered = with_provenance(given.batch(batches) if batches else given, CLEAN, batch_size=16)
    assert [len(x) for x, _ in numbered] == ([8] * 6 + [2] if batches else [16, 16, 16, 2])
    assert len(numbered) == (7 if batches else 4)
    for _ in range(2):
        x, targets, order = rows(numbered)
        assert order.tolist() == list(range(50))
        assert np.array_equal(x, X)
        assert np.array_equal(targets["label"], Y)
        assert np.array_equal(targets["clean"], CLEAN)
        assert {values.dtype for values in targets.values()} == {np.dtype("int32")}


def test_what_was_numbered_may_be_shuffled_and_cut():
    numbered = with_provenance(dataset(X, Y).map(lambda x, y: (x + 0, y)).batch(7)).unbatch().shuffle(50).batch(9)
    x, targets, order = rows(numbered)
    assert order.tolist() != list(range(50))
    assert np.array_equal(x, X)
    assert np.array_equal(targets["label"], Y)


def test_data_sets_with_weights_and_of_unknown_length():
    given = dataset(X, Y, np.arange(50.0)).filter(lambda x, y, weight: y > 2).batch(4)
    kept = np.flatnonzero(Y > 2)
    seen = [(targets["index"].numpy(), weight.numpy()) for _, targets, weight in with_provenance(given)]
    assert np.concatenate([index for index, _ in seen]).tolist() == list(range(len(kept)))
    assert np.concatenate([weight for _, weight in seen]).tolist() == kept.tolist()


def twice(*row):
    return tf.data.Dataset.from_tensors(row).repeat(2)


def read_in_parallel(**keywords):
    return dataset(X, Y).interleave(twice, cycle_length=8, num_parallel_calls=4, **keywords)


def in_parts(step):
    """Rows in tens, each of which a function makes a data set of its own."""
    return dataset(X, Y).batch(10).flat_map(lambda x, y: step(tf.data.Dataset.from_tensor_slices((x, y))))


def not_deterministic(given):
    options = tf.data.Options()
    options.deterministic = False
    return given.with_options(options)


PAIR, EVEN = {"num_parallel_calls": 2}, tf.data.Dataset.range(50).map(lambda i: i % 2)
UNSTEADY = {
    "shuffle": (lambda: dataset(X, Y).shuffle(50), "shuffle shuffles anew"),
    "shuffle with a seed": (lambda: dataset(X, Y).shuffle(50, seed=1), "shuffle shuffles anew"),
    "far above": (lambda: dataset(X, Y).shuffle(50).batch(8).map(lambda x, y: (x, y)).prefetch(1), "shuffles anew"),
    "zip": (
        lambda: tf.data.Dataset.zip(dataset(X).map(lambda x: x), tf.data.Dataset.from_tensor_slices(Y).shuffle(9)),
        "shuffles anew",
    ),
    "concatenate": (lambda: dataset(X[:25], Y[:25]).concatenate(dataset(X[25:], Y[25:]).shuffle(25)), "shuffles anew"),
    "ours": (lambda: data.load(augment=False).train, "load shuffles anew"),
    "interleave": (lambda: read_in_parallel(deterministic=False), "interleave with deterministic=False"),
    "map": (lambda: dataset(X, Y).map(lambda *row: row, **PAIR, deterministic=False), "map with deterministic=False"),
    "batch": (lambda: dataset(X, Y).batch(8, **PAIR, deterministic=False), "batch with deterministic=False"),
    "options": (lambda: not_deterministic(dataset(X, Y).map(lambda *row: row, **PAIR)), "options.*deterministic=False"),
    "options above": (lambda: not_deterministic(read_in_parallel()).batch(8), "options.*deterministic=False"),
    "sample": (lambda: tf.data.Dataset.sample_from_datasets([dataset(X, Y)] * 2), "sample_from_datasets"),
    "sample anew": (
        lambda: tf.data.Dataset.sample_from_datasets([dataset(X, Y)] * 2, seed=1, rerandomize_each_iteration=True),
        "sample_from_datasets",
    ),
    "random": (lambda: tf.data.Dataset.zip(tf.data.Dataset.random().take(50), EVEN), "Dataset.random"),
    "random filter": (lambda: dataset(X, Y).filter(lambda *row: tf.random.uniform(()) > 0.5), "decides which samples"),
    "shuffle inside": (lambda: in_parts(lambda part: part.shuffle(5)), "shuffle, in a function, shuffles anew"),
    "parallel inside": (
        lambda: in_parts(lambda part: part.map(lambda *row: row, **PAIR, deterministic=False)),
        "map, in a function, with deterministic=False",
    ),
    "shuffle far inside": (
        lambda: in_parts(lambda part: part.flat_map(lambda *row: twice(*row).shuffle(3))),
        "shuffle, in a function, shuffles anew",
    ),
}


@pytest.mark.parametrize("name", UNSTEADY)
def test_what_has_an_order_of_its_own_cannot_be_numbered(name):
    make, words = UNSTEADY[name]
    with pytest.raises(ValueError, match=f"`data` of with_provenance has an order of its own.*{words}"):
        with_provenance(make())


@pytest.mark.filterwarnings("ignore")
def test_drawn_to_a_distribution_is_an_order_of_its_own():
    drawn = dataset(X, np.arange(50) % 2).rejection_resample(lambda x, y: tf.cast(y, tf.int32), [0.3, 0.7])
    with pytest.raises(ValueError, match="rejection_resample or Dataset.random"):
        with_provenance(drawn.map(lambda drawn_class, row: row))


STEADY = {
    "shuffled once": lambda: dataset(X, Y).shuffle(50, reshuffle_each_iteration=False),
    "shuffled once by a seed": lambda: dataset(X, Y).shuffle(50, seed=3, reshuffle_each_iteration=False).batch(8),
    "shuffled once inside": lambda: in_parts(lambda part: part.shuffle(5, seed=3, reshuffle_each_iteration=False)),
    "read in parallel": read_in_parallel,
    "read in parallel, said so": lambda: read_in_parallel(deterministic=True),
    "read one by one": lambda: dataset(X, Y).interleave(twice, cycle_length=8),
    "in parallel": lambda: dataset(X, Y).map(lambda *row: row, **PAIR).batch(8, **PAIR),
    "augmented": lambda: dataset(X, Y).map(lambda x, y: (x + 0 * tf.random.normal((6,)), y)).filter(lambda x, y: y > 2),
}


@pytest.mark.parametrize("name", STEADY)
def test_what_has_a_fixed_order_is_numbered(name):
    numbered = with_provenance(STEADY[name]())
    first, second = rows(numbered), rows(numbered)
    assert np.array_equal(first[0], second[0])
    assert first[2].tolist() == second[2].tolist() == list(range(len(first[0])))


def test_labels_beyond_int32_are_refused_not_wrapped():
    large = Y.astype("int64")
    large[7] += 2**32
    for name, given, clean in (
        ("y", (X, large), None),
        ("clean", (X, Y), large),
        ("y", (X, large.astype("uint64")), None),
    ):
        with pytest.raises(ValueError, match=f"`{name}` of with_provenance must be class ids .*below 2\\^31"):
            with_provenance(given, clean=clean)
    for wrong in (large, large.astype("uint64"), np.where(np.arange(50) == 3, -1, Y)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be class ids, whole numbers from 0"):
            list(with_provenance(dataset(X, wrong).batch(8)))


def test_images_of_a_folder(tmp_path, write_image):
    """The real case: folders of images, read by Keras, no clean label in sight."""
    for number in range(6):
        write_image(tmp_path / f"class{number % 3}" / f"{number}.jpg", 40 * number, 8, 8)
    settings = {"image_size": (8, 8), "batch_size": 4, "verbose": False}
    with pytest.raises(ValueError, match="has an order of its own.*shuffle shuffles anew"):
        with_provenance(keras.utils.image_dataset_from_directory(tmp_path, **settings))
    numbered = with_provenance(keras.utils.image_dataset_from_directory(tmp_path, shuffle=False, **settings))
    images, targets, _ = rows(numbered)
    assert targets["label"].tolist() == [0, 0, 1, 1, 2, 2]
    assert numbered.class_names == ["class0", "class1", "class2"]
    assert [path[-12:] for path in numbered.file_paths[:3]] == ["class0/0.jpg", "class0/3.jpg", "class1/1.jpg"]
    hot = keras.utils.image_dataset_from_directory(tmp_path, shuffle=False, label_mode="categorical", **settings)
    assert rows(with_provenance(hot))[1]["label"].tolist() == [0, 0, 1, 1, 2, 2]
    assert np.allclose(images.mean(axis=(1, 2, 3)), [0, 120, 40, 160, 80, 200], atol=1)


@pytest.mark.parametrize(
    ("given", "keywords", "words"),
    [
        (X, {}, "`data` of with_provenance must be"),
        ((X,), {}, "`data` of with_provenance must be"),
        ((X, Y[:40]), {}, "arrays of the same length, `clean` too, 40 as y has. Received: data=.40, 50."),
        ((X, Y), {"clean": CLEAN[:49]}, "arrays of the same length, `clean` too, 50 as y has"),
        ((X, Y, np.ones(3)), {}, "arrays of the same length"),
        ((X, Y / 2), {}, "`y` of with_provenance must be class ids"),
        ((X, 0.5 * np.eye(7)[Y]), {}, "`y` of with_provenance must be class ids"),
        ((X, np.eye(7)[Y] + np.eye(7)[0]), {}, "`y` of with_provenance must be class ids"),
        ((X, Y - 1), {}, "`y` of with_provenance must be class ids"),
        ((X, Y), {"clean": 2 * np.eye(7)[Y]}, "`clean` of with_provenance must be class ids"),
        ((X, Y), {"clean": NAMED}, "`class_names` of with_provenance must be names by id"),
        ((X, NAMED), {"class_names": list("abcdef")}, "`y` of with_provenance must be names of classes, 'a', 'b'"),
        (
            (X, NAMED),
            {"class_names": list("abcdeff")},
            "`class_names` of with_provenance must be names that are different",
        ),
        ((X, Y), {"class_names": list("abc")}, "`class_names` of with_provenance must be names of at least 7 classes"),
        (dataset(X, NAMED), {}, "`class_names` of with_provenance must be the names of the classes"),
        (dataset(X, np.eye(7, dtype=int)[Y]), {}, "`data` of with_provenance must be a data set of"),
        ((X, Y), {"batch_size": 0}, "`batch_size` of with_provenance must be a whole number, at least 1"),
        ((X, Y), {"seed": -1}, "`seed` of with_provenance must be a whole number, at least 0"),
        (dataset(X), {}, "`data` of with_provenance must be a data set of"),
        (dataset(X, Y / 2), {}, "`data` of with_provenance must be a data set of"),
        (
            dataset(X, np.eye(7, dtype=int)[[Y] * 2].transpose(1, 0, 2)),
            {},
            "`data` of with_provenance must be a data set",
        ),
        (dataset(X, Y), {"clean": np.zeros((50, 2, 2), int)}, "must be one label a sample, as y holds"),
        (dataset(X, np.eye(7, dtype=int)[Y][:, None]).batch(8), {}, "`data` of with_provenance must be a data set of"),
        (dataset(X, Y), {"clean": CLEAN[:49]}, "`clean` of with_provenance must be of 50 labels"),
        (dataset(X, Y), {"shuffle": True}, "left to you for a data set"),
        (dataset(X, Y), {"drop_remainder": True}, "left to you for a data set"),
    ],
)
def test_refusals(given, keywords, words):
    with pytest.raises(ValueError, match=words):
        with_provenance(given, **keywords)


def test_too_few_clean_labels_of_a_data_set_are_told():
    numbered = with_provenance(dataset(X, Y).batch(8), CLEAN[:49])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`clean` of with_provenance has fewer labels"):
        list(numbered)


class Traced(keras.Model):
    """A model that takes targets with provenance and notes which samples it was trained on."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(7)
        self.loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def call(self, x):
        return self.head(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.loss_of(y["label"], y_pred) + 0.0 * keras.ops.sum(keras.ops.cast(y["index"], "float32"))


def test_provenance_reaches_compute_loss():
    model = Traced()
    model.compile("sgd")
    history = model.fit(with_provenance((X, Y), CLEAN, batch_size=16), epochs=2, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 2
    assert np.all(np.isfinite(history["loss"]))


SEVERAL = {"a": Y, "b": Y[:, None] % 3, "score": X[:, :2]}


@pytest.mark.parametrize("kind", ["arrays", "feed", "samples", "batches"])
def test_labels_of_several_outputs(kind):
    weights = {"a": np.arange(50.0), "b": np.ones(50)}
    given, keywords = (X, SEVERAL, weights), {"batch_size": 16}
    if kind == "feed":
        keywords["pipeline"] = "device"
    elif kind != "arrays":
        ids = {**SEVERAL, "b": Y % 3} if kind == "samples" else SEVERAL
        given = tf.data.Dataset.from_tensor_slices((X, ids, weights))
        given = given.batch(8) if kind == "batches" else given
    numbered = with_provenance(given, {"a": CLEAN}, **keywords)
    batches = numbered if kind == "feed" else numbered.as_numpy_iterator()
    count = 0
    for x, targets, weight in batches:
        index, label = targets["index"], targets["label"]
        assert np.array_equal(x, X[index])
        assert np.array_equal(label["a"], Y[index])
        assert np.array_equal(label["b"], Y[index] % 3)
        assert np.array_equal(label["score"], X[index, :2])
        assert label["a"].dtype == label["b"].dtype == "int32"
        assert np.array_equal(targets["clean"]["a"], CLEAN[index])
        assert targets["clean"].keys() == {"a"}
        assert np.array_equal(weight["a"], index)
        count += len(index)
    assert count == 50


@pytest.mark.parametrize(
    ("y", "clean", "words"),
    [
        ({"a": Y, "b": Y[:9]}, None, "`data` of with_provenance must be arrays of the same length"),
        ({"a": Y, "b": -Y - 1}, None, "`y` of with_provenance must be class ids"),
        ({"a": Y}, {"b": CLEAN}, "`clean` of with_provenance must be a dict by output, of a"),
        ({"a": Y}, CLEAN, "`clean` of with_provenance must be a dict by output, of a"),
        (Y, {"a": CLEAN}, "`clean` of with_provenance must be class ids, as y holds"),
        ({}, None, "`y` of with_provenance must be labels of at least one output"),
    ],
)
def test_labels_of_several_outputs_that_do_not_fit(y, clean, words):
    with pytest.raises(ValueError, match=words):
        with_provenance((X, y), clean)
