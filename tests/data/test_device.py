"""Images prepared in the compiled step: each its own draw, the same ones after a resume, and no TensorFlow."""

import pickle

import keras
import numpy as np
import pytest
from harness import in_turn, once, printed_by
from keras import ops
from scipy import stats

import keras_robust as kr
from keras_robust import data
from keras_robust.backend import pixels
from keras_robust.catalog import ImageRecipe
from keras_robust.data.draws import epoch_key, uniform

K, SIDE = 3, 8
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(1, 256, (10, SIDE, SIDE, 3)).astype("uint8")
LABELS = (np.arange(10) % K).astype("int32")


def recipe(**settings):
    return ImageRecipe("own", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "here", **settings)


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x))


def small_model(preprocessing):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(K)]
    return keras.Sequential([keras.Input((SIDE, SIDE, 3), dtype="uint8"), preprocessing, keras.Sequential(layers)])


def feed(seed=0, batch_size=4, targets=None, **settings):
    prepared = data.Preprocessing(recipe(**settings), seed=seed)
    targets = {"label": LABELS, "index": np.arange(10)} if targets is None else targets
    return data.Feed(IMAGES, targets, batch_size, seed, preprocessing=prepared)


def test_draws_are_the_same_numbers_on_every_backend():
    expected = [[0.692745, 0.091538, 0.348102], [0.451278, 0.504699, 0.263967]]
    assert np.allclose(numpy(uniform(np.array([7, 3]), (2, 3))), expected, atol=1e-5)


@once
def test_draws_are_uniform_and_independent():
    draws = np.stack(
        [numpy(uniform(np.array([epoch_key(s, e), c]), (40,))) for s in (0, 1) for e in (0, 1) for c in range(99)]
    )
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    correlations = np.corrcoef(np.concatenate([draws, draws[::-1]], axis=1).T)[np.triu_indices(40, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(len(draws))
    assert len(np.unique(draws)) > 0.99 * draws.size


@pytest.mark.parametrize("settings", in_turn([{"shift": 2}, {"flip": True}, {"shift": 2, "flip": True}]), ids=str)
def test_each_image_has_a_crop_and_a_flip_of_its_own(settings):
    """Copies of one image become other images; each is a padded crop, flipped or not, and all of them come."""
    copies = np.repeat(IMAGES[:1], 1000, axis=0)
    seen = numpy(data.Preprocessing(recipe(**settings))(copies, training=True))
    shift = settings.get("shift", 0)
    padded = np.pad(IMAGES[0], ((shift, shift), (shift, shift), (0, 0)))
    possible = {}
    for y in range(2 * shift + 1):
        for x in range(2 * shift + 1):
            crop = padded[y : y + SIDE, x : x + SIDE]
            for mirrored in (False, True) if "flip" in settings else (False,):
                image = crop[:, ::-1] if mirrored else crop
                possible[normalized(image).tobytes()] = 0
    for image in seen:
        nearest = [
            key for key in possible if np.allclose(np.frombuffer(key, "float32").reshape(image.shape), image, atol=1e-5)
        ]
        assert len(nearest) == 1
        possible[nearest[0]] += 1
    assert stats.chisquare(list(possible.values())).pvalue > 1e-4
    assert min(possible.values()) > 0


def normalized(images):
    scale = (1 / (255.0 * np.array([0.2, 0.3, 0.4]))).astype("float32")
    offset = (-np.array([0.5, 0.4, 0.3]) / np.array([0.2, 0.3, 0.4])).astype("float32")
    return images.astype("float32") * scale + offset


def test_a_rotation_is_that_of_scipy():
    """The nearest pixel of the turned image, zero beside it; the angle is what the layer drew."""
    from scipy import ndimage

    layer = data.Preprocessing(recipe(rotation=30))
    angles = (2 * numpy(uniform(layer.generator.state, (4, 10)))[3] - 1) * 30
    turned = numpy(layer(IMAGES, training=True))
    assert np.ptp(angles) > 20
    for image, angle, found in zip(IMAGES, angles, turned, strict=True):
        expected = ndimage.rotate(image, angle, reshape=False, order=0, mode="grid-constant")
        assert np.isclose(found, normalized(expected), atol=1e-5).all(axis=-1).mean() > 0.95  # ties of two pixels


def test_pixels_outside_are_zero():
    y, x = [[[-1], [0], [SIDE]]], [[[-1, 0, SIDE - 1, SIDE]]]
    places = (ops.convert_to_tensor(np.array(at, "int32")) for at in (y, x))
    found = numpy(pixels(ops.convert_to_tensor(IMAGES[:1]), *places))
    assert found.dtype == np.uint8
    expected = np.zeros((1, 3, 4, 3), "uint8")
    expected[0, 1, 1], expected[0, 1, 2] = IMAGES[0, 0, 0], IMAGES[0, 0, -1]
    assert np.array_equal(found, expected)


def test_without_training_images_are_normalized_alone():
    layer = data.Preprocessing(recipe(shift=2, flip=True, rotation=10))
    for made in (layer(IMAGES), layer.for_serving()(IMAGES)):
        assert np.allclose(numpy(made), normalized(IMAGES), atol=1e-5)
    again = data.Preprocessing.from_config(layer.get_config())
    assert np.array_equal(numpy(again(IMAGES, training=True)), numpy(layer(IMAGES, training=True)))


def test_both_pipelines_have_the_same_images_and_targets():
    arrays = data.generated("cifar10", 20, 6)
    splits = {
        name: data.load("cifar10", "symmetric:0.4", 8, arrays=arrays, augment=False, provenance=True, pipeline=name)
        for name in ("tf.data", "device")
    }
    info, by_index = splits["device"].info, {}
    for name, prepare in (("tf.data", lambda x: x), ("device", info.preprocessing)):
        batches = [
            (numpy(prepare(x)), {key: np.asarray(value) for key, value in y.items()}) for x, y in splits[name].train
        ]
        images, index = np.concatenate([x for x, _ in batches]), np.concatenate([y["index"] for _, y in batches])
        labels = np.concatenate([y["label"] for _, y in batches])
        order = np.argsort(index)
        by_index[name] = images[order], index[order], labels[order]
    for one, other in zip(*by_index.values(), strict=True):
        assert np.allclose(one, other, atol=1e-5)
    (x, y), (raw, label) = next(iter(splits["tf.data"].test)), splits["device"].test[0]
    assert np.allclose(np.asarray(x), numpy(info.preprocessing(raw)), atol=1e-5)
    assert np.array_equal(np.asarray(y), label)
    assert splits["tf.data"].info.input_shape == info.input_shape


def trained(epochs, initial_epoch=0, weights=None, before=()):
    """Weights and losses of a model that learns from augmented images and records them."""
    source = feed(shift=2, flip=True)
    model = kr.ProvenanceModel(small_model(source.preprocessing))
    model.compile(keras.optimizers.SGD(0.1), kr.CE(from_logits=True))
    if weights is not None:
        model.load_weights(weights)
    history = model.fit(source, epochs=epochs, initial_epoch=initial_epoch, verbose=0, callbacks=list(before))
    return model, history.history["loss"]


def test_a_resumed_run_sees_what_an_unbroken_one_sees(tmp_path):
    whole, losses = trained(3)
    first, some = trained(1)
    first.save_weights(tmp_path / "after.weights.h5")
    rest, others = trained(3, 1, tmp_path / "after.weights.h5")
    assert np.allclose(losses, [*some, *others], rtol=1e-5)
    assert len(set(np.round(losses, 6))) == 3
    for one, other in zip(whole.get_weights(), rest.get_weights(), strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-7)


def test_epochs_differ_in_order_and_augmentation():
    source = feed(shift=2)
    seen = []
    for epoch in (0, 1, 0):
        source.begin(epoch)
        seen.append([(y["index"].tolist(), numpy(source.preprocessing(x, training=True))) for x, y in source])
    orders = [[index for index, _ in epoch] for epoch in seen]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(np.concatenate(orders[1])) == list(range(10))
    for (_, one), (_, again) in zip(seen[0], seen[2], strict=True):
        assert np.array_equal(one, again)


def test_a_second_epoch_that_nobody_told_is_refused():
    source = feed(targets=LABELS, shift=2)
    model = small_model(source.preprocessing)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(RuntimeError, match=r"Give `fit` the callback `splits.epochs`"):
        model.fit(source, epochs=2, shuffle=False, verbose=0)
    model.fit(source, epochs=2, shuffle=False, verbose=0, callbacks=[source.epochs])
    model.evaluate(source, verbose=0)


@once
def test_what_would_mix_epochs_is_refused():
    source = feed(targets=LABELS)
    model = small_model(source.preprocessing)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="Epoch 1 ended after 2 of 3 batches"):
        model.fit(source, epochs=2, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[source.epochs])
    source.workers = 2
    with pytest.raises(ValueError, match="`workers` of Feed must be 1"):
        source.on_epoch_begin()
    source.workers = 1
    plain = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(K)])
    plain.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="first layer is info.preprocessing: the images of this pipeline are raw"):
        plain.fit(source, verbose=0, callbacks=[source.epochs])
    with pytest.raises(ValueError, match="at most 10, the number of samples"):
        data.Feed(IMAGES, LABELS, 11, drop_remainder=True)
    with pytest.raises(ValueError, match='asked for with pipeline="device"'):
        _ = data.load("digits", pipeline="tf.data").epochs
    with pytest.raises(ValueError, match="one of 'tf.data', 'device'"):
        data.load("digits", pipeline="grain")


@once
def test_the_last_batch_and_shares_are_whole():
    whole = data.Feed(IMAGES, LABELS, 4)
    assert [len(y) for _, y in whole] == [4, 4, 2]
    assert [len(y) for _, y in data.Feed(IMAGES, LABELS, 4, drop_remainder=True)] == [4, 4]
    share = data.Feed(IMAGES, LABELS, 4, seed=1, rows=[1, 3, 8])
    assert sorted(share[0][1].tolist()) == sorted(LABELS[[1, 3, 8]].tolist())
    with pytest.raises(IndexError):
        whole[3]
    weighted = data.Feed(IMAGES, LABELS, 4, seed=1, rows=[8, 1, 3], weights=np.arange(len(LABELS)))
    assert weighted.left_out.tolist() == [0, 2, 4, 5, 6, 7, 9]
    [(images, labels, weights)] = weighted.in_order()
    assert weights.tolist() == [1, 3, 8]
    assert np.array_equal(labels, LABELS[[1, 3, 8]])
    assert np.array_equal(images, IMAGES[[1, 3, 8]])


def test_parts_of_a_batch_are_those_of_the_whole():
    """Two processes have one half of each batch each, with the crops and flips of one process."""
    whole, halves = feed(shift=2, flip=True), [feed(shift=2, flip=True) for _ in range(2)]
    for rank, half in enumerate(halves):
        half.share(rank, 2)
    for epoch in (0, 1):
        for source in (whole, *halves):
            source.begin(epoch)
        for place in range(len(whole)):
            (images, targets), *parts = (
                (numpy(source.preprocessing(x, training=True)), y["index"])
                for source in (whole, *halves)
                for x, y in [source[place]]
            )
            assert np.array_equal(np.concatenate([index for _, index in parts]), targets)
            assert np.array_equal(np.concatenate([x for x, _ in parts]), images)


@once
def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match="`count` of share must be a divisor of the batch size, 4"):
        feed().share(0, 3)
    with pytest.raises(ValueError, match="a divisor of the last batch, 2 samples, or drop_remainder=True"):
        feed().share(0, 4)
    with pytest.raises(ValueError, match="`index` of share"):
        feed().share(2, 2)


def test_images_may_live_on_the_device():
    there, here = feed(shift=1), feed(shift=1)
    there.keep_on_device()
    for (x, y), (raw, targets) in zip(there, here, strict=True):
        assert ops.is_tensor(x)
        assert np.array_equal(numpy(x), raw)
        assert np.array_equal(y["index"], targets["index"])


def test_a_layer_of_your_own_augments_and_follows_the_epoch():
    layer = keras.layers.RandomBrightness(0.5, value_range=(0, 255))
    arrays = data.generated("cifar10", 20, 6)
    splits = data.load("cifar10", batch_size=8, arrays=arrays, augment=layer, pipeline="device")
    assert splits.info.augmentation == "RandomBrightness"
    made = []
    for epoch in (0, 1, 0):
        splits.train.begin(epoch)
        made.append(numpy(splits.info.preprocessing(arrays.x_train, training=True)))
    assert np.array_equal(made[0], made[2])
    assert not np.allclose(made[0], made[1])
    assert not np.allclose(made[0], numpy(splits.info.preprocessing(arrays.x_train)))


@once
def test_a_layer_that_stops_compilation_is_told():
    class Odd(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_jit = False

        def call(self, images):
            return images

    with pytest.warns(UserWarning, match="Odd says supports_jit=False"):
        data.Preprocessing(recipe(), layers=[Odd()])


def test_files_load_without_this_package(tmp_path):
    model = kr.ProvenanceModel(small_model(feed(shift=2).preprocessing))
    model.compile("sgd", kr.CE(from_logits=True))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = """
import sys, keras, numpy as np
folder = sys.argv[1]
images = np.load(folder + "/images.npy")
model = keras.models.load_model(folder + "/model.keras")
assert not [name for name in sys.modules if name.startswith("keras_robust")]
print(model.predict(images, verbose=0).tolist())
"""
    predicted = eval(printed_by(code, tmp_path))
    assert np.allclose(predicted, numpy(model(IMAGES)), atol=1e-4)
    bare = data.for_serving(model.model, raw_pixels=False)
    assert np.allclose(numpy(bare(normalized(IMAGES))), predicted, atol=1e-4)


@once
def test_preprocessing_inside_a_network_is_not_cut_out():
    layer = data.Preprocessing(recipe())
    inputs = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    outputs = keras.layers.Flatten()(layer(inputs))
    with pytest.raises(ValueError, match="Sequential, with info.preprocessing as its first layer"):
        data.for_serving(keras.Model(inputs, outputs))


def test_your_own_arrays_need_no_tensorflow():
    x = {"image": IMAGES, "age": np.arange(10.0)}
    source = data.with_provenance((x, LABELS, np.ones(10)), clean=LABELS, batch_size=4, pipeline="device")
    batch, targets, weights = source[0]
    assert np.array_equal(batch["image"], IMAGES[targets["index"]])
    assert np.array_equal(targets["label"], LABELS[targets["index"]])
    assert sorted(targets) == ["clean", "index", "label"]
    assert weights.shape == (4,)


@pytest.mark.only("jax", "torch")  # TensorFlow would train
def test_nothing_imports_tensorflow(tmp_path, monkeypatch):
    """The pipeline without it is the default then, and CIFAR-10 comes as `keras.datasets` keeps it."""
    cifar = tmp_path / "datasets" / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    cifar.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (cifar / name).write_bytes(pickle.dumps({b"data": np.zeros((2, 3072), "uint8"), b"labels": [3, 9]}, protocol=2))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    code = """
import sys
assert "tensorflow" not in sys.modules
sys.modules["tensorflow"] = None
from rich.console import Console
from keras_robust import comparison, data, recipes
quiet, name = Console(quiet=True), "anl/mnist/symmetric:0.8/anl-ce"
recipes.run(name, scale="smoke", folder=sys.argv[1] + "/run", console=quiet)
found = comparison.compare(sys.argv[1] + "/all", losses=["CE"], epochs=1, seeds=1, console=quiet)
x, targets = data.load("cifar10", noise="symmetric:0.4", provenance=True).train[0]  # of Keras' own folder
assert x.shape == (10, 32, 32, 3) and sorted(targets["index"]) == [*range(10)]
print(found.rows()[0]["last"])
"""
    assert 0 <= float(printed_by(code, tmp_path)) <= 1
