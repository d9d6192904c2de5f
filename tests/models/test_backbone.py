"""Classifiers on backbones of Keras, KerasCV and one's own."""

import keras
import numpy as np
import pytest
from harness import as_numpy

import keras_robust as kr
from keras_robust.models import from_backbone


def features_of(shape, name="backbone"):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Dense(int(np.prod(shape)))(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Reshape(shape)(x), name=name)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 3, 6), (2, 2, 2, 6)])
def test_the_head_is_a_mean_over_positions_and_a_dense_layer(shape):
    backbone = features_of(shape)
    model = from_backbone(backbone, 4, classifier_activation=None)
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")
    features = backbone.predict(images, verbose=0).reshape(3, -1, 6).mean(axis=1)
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_allclose(model.predict(images, verbose=0), features @ kernel + bias, atol=1e-5)
    assert model.name == "backbone_classifier"
    assert len(model.trainable_variables) == 4


@pytest.mark.usefixtures("zeros_at_first")
def test_a_keras_application():
    backbone = keras.applications.VGG16(input_shape=(32, 32, 3), include_top=False, weights=None)
    model = from_backbone(backbone, 3)
    assert model.output_shape == (None, 3)
    assert len(model.trainable_variables) == len(backbone.trainable_variables) + 2
    backbone.trainable = False
    assert len(model.trainable_variables) == 2


def test_training_reaches_the_backbone_itself():
    backbone = features_of((2, 2, 6))
    model = from_backbone(backbone, 3)
    model.compile("sgd", loss=kr.NCEandRCE())
    before = backbone.get_weights()
    model.fit(np.random.default_rng(0).normal(size=(4, 8, 8, 3)), np.arange(4) % 3, verbose=0)
    assert all(np.abs(new - old).max() > 0 for new, old in zip(backbone.get_weights(), before, strict=True))


@pytest.mark.usefixtures("zeros_at_first")
def test_a_keras_cv_backbone(tmp_path):
    import keras_cv

    backbone = keras_cv.models.DenseNetBackbone(
        stackwise_num_repeats=[1, 1],
        include_rescaling=True,
        compression_ratio=0.5,
        growth_rate=8,
        input_shape=(32, 32, 3),
    )
    model = from_backbone(backbone, 5, classifier_activation=None)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    logits = as_numpy(model(images))
    assert logits.shape == (2, 5)
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_allclose(as_numpy(backbone(images)).mean(axis=(1, 2)) @ kernel + bias, logits, atol=1e-4)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(as_numpy(keras.models.load_model(tmp_path / "model.keras")(images)), logits, atol=1e-5)


def test_a_text_backbone_gives_its_pooled_output():
    tokens = keras.Input((7,), dtype="int32")
    sequence = keras.layers.Embedding(11, 6)(tokens)
    pooled = keras.layers.GlobalMaxPooling1D()(sequence)
    backbone = keras.Model(tokens, {"sequence_output": sequence, "pooled_output": pooled}, name="text")
    model = from_backbone(backbone, 2, classifier_activation=None)
    ids = np.arange(14).reshape(2, 7) % 11
    kernel, bias = model.get_layer("predictions").get_weights()
    expected = backbone.predict(ids, verbose=0)["pooled_output"] @ kernel + bias
    np.testing.assert_allclose(model.predict(ids, verbose=0), expected, atol=1e-5)


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize(
    ("backbone", "rule"),
    [
        (lambda: "resnet50", "must be a built Keras model"),
        (lambda: keras.layers.Dense(3), "must be a built Keras model"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "must be a built Keras model"),
        (lambda: features_of((1, 1, 1, 1, 6)), "this one ends in"),
        (lambda: keras.Model(x := keras.Input((4, 6)), [x, x]), "this one ends in"),
        (lambda: kr.models.cnn4((8, 8, 3), 10), r"without its classifier \(include_top=False\)"),
    ],
)
def test_what_is_no_backbone(backbone, rule):
    with pytest.raises(ValueError, match=rf"`backbone` of from_backbone .*{rule}"):
        from_backbone(backbone(), 4)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`num_classes` of from_backbone must be a whole number, at least 2"):
        from_backbone(features_of((6,)), 1)
    with pytest.raises(ValueError, match="`classifier_activation` of from_backbone"):
        from_backbone(features_of((6,)), 2, "nonsense")
