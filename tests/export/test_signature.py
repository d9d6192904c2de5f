"""What a model takes and gives is read off it, or asked for."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_robust as kr
from keras_robust.export import serving
from keras_robust.export.signature import Signature, read_signature, read_warmup


def ending_in(*last, loss=None, **keywords):
    model = keras.Sequential([keras.Input((4,)), *last])
    if loss is not None:
        model.compile("sgd", loss, **keywords)
    return model


def nested():
    inputs = keras.Input((4,))
    return keras.Model(inputs, ending_in(layers.Dense(3, "softmax"))(inputs))


KERAS = keras.losses.SparseCategoricalCrossentropy

ENDS = {
    "dense": (lambda: ending_in(layers.Dense(3)), True),
    "softmax": (lambda: ending_in(layers.Dense(3, activation="softmax")), False),
    "softmax layer": (lambda: ending_in(layers.Dense(3), layers.Softmax()), False),
    "activation": (lambda: ending_in(layers.Dense(3), layers.Activation("softmax", dtype="float32")), False),
    "log softmax": (lambda: ending_in(layers.Dense(3, activation="log_softmax")), True),
    "a cast": (lambda: ending_in(layers.Dense(3, "softmax"), layers.Activation("linear", dtype="float32")), False),
    "a shape": (lambda: ending_in(layers.Dense(6), layers.Reshape((2, 3))), True),
    "nested": (nested, False),
    "operation": (lambda: keras.Model(inputs := keras.Input((4,)), keras.ops.softmax(layers.Dense(3)(inputs))), False),
    "our loss": (lambda: ending_in(layers.Dense(3), layers.Rescaling(2.0), loss=kr.CE(from_logits=True)), True),
    "Keras' loss": (lambda: ending_in(layers.Dense(3), layers.Rescaling(2.0), loss=KERAS(from_logits=True)), True),
    "a name": (lambda: ending_in(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy"), False),
    "network": (lambda: kr.models.cnn2((8, 8, 1), 3), False),
    "network of logits": (lambda: kr.models.cnn2((8, 8, 1), 3, classifier_activation=None), True),
}


@pytest.mark.parametrize("end", ENDS)
def test_logits_or_probabilities(end):
    make, expected = ENDS[end]
    assert read_signature(make()).from_logits is expected


def test_what_cannot_be_told_is_asked():
    for unclear in (ending_in(layers.Dense(3), layers.Rescaling(2.0)), ending_in(layers.Dense(3, "sigmoid"))):
        with pytest.raises(
            ValueError, match="Neither the loss of the model nor its last layer tells.*from_logits=True"
        ):
            read_signature(unclear)
        assert read_signature(unclear, from_logits=False).from_logits is False
    for last, loss in (("softmax", kr.CE(from_logits=True)), (None, kr.CE())):
        wrong = ending_in(layers.Dense(3, last), loss=loss)
        with pytest.raises(ValueError, match=rf"ends in .* CE\(from_logits={loss.from_logits}\), reads .*one of them"):
            read_signature(wrong)
        assert read_signature(wrong, from_logits=True).from_logits


# As TensorFlow takes them: it refuses the names on the left, each in words of its own.
OTHER_NAMES = {
    **{"class": "input_class", "lambda": "input_lambda", "None": "input_None", "self": "input_self"},
    **{"9b": "input_9b", "_x": "input_x", "Ü": "input", "2nd image": "input_2nd_image", "a b": "a_b", "x.y": "x_y"},
}


@pytest.mark.only("tensorflow")  # it writes
@pytest.mark.filterwarnings("ignore:TensorFlow names inputs")
def test_every_name_is_served(tmp_path):
    import tensorflow as tf

    tensors = [keras.Input((2,), name=name) for name in (*OTHER_NAMES, "args", "kwargs", "cls", "name", "match")]
    model = keras.Model(tensors, layers.Dense(2)(layers.Concatenate()(tensors)))
    served = tf.saved_model.load(str(serving(model, tmp_path))).signatures["serving_default"]
    wanted = [*OTHER_NAMES.values(), "args", "kwargs", "cls", "name", "match"]
    assert sorted(served.structured_input_signature[1]) == sorted(wanted)
    assert served(**{name: tf.ones((3, 2)) for name in wanted})["probabilities"].shape == (3, 2)


def test_names_of_inputs():
    def names(*inputs):
        tensors = [keras.Input((2,), name=name) for name in inputs]
        return read_signature(keras.Model(tensors, layers.Dense(2)(layers.Concatenate()([*tensors, tensors[0]])))).names

    assert names(None) == ["inputs"]
    assert names("pixels") == ["pixels"]
    assert names("pixels", None, "input_layer_7") == ["pixels", "inputs_2", "inputs_3"]
    for name, served in OTHER_NAMES.items():
        with pytest.warns(UserWarning, match=rf"served are the inputs {name!r} as {served!r}\."):
            assert names("pixels", name) == ["pixels", served]
    with pytest.raises(ValueError, match="`model` of serving must be a model whose inputs have different names"):
        names("a b", "a-b")


def test_classes():
    model = ending_in(layers.Dense(3))
    assert read_signature(model) == Signature(["inputs"], True, None, 0)
    assert read_signature(model, class_names=np.array([7, 8, 9])) == Signature(["inputs"], True, ["7", "8", "9"], 1)
    assert read_signature(model, class_names="a b c".split(), top_k=3).top_k == 3
    assert read_signature(model, class_names={2: "c", 0: "a", 1: "b"}).class_names == ["a", "b", "c"]
    assert read_signature(model, top_k=2) == Signature(["inputs"], True, None, 2)
    for names in (["a", "b"], "abc", list("abcd"), set("abc"), {"a": 0, "b": 1, "c": 2}):
        with pytest.raises(ValueError, match="`class_names` of serving must be a list of 3 names, one for each class"):
            read_signature(model, class_names=names)
    for k in (0, 4, 1.5):
        with pytest.raises(ValueError, match="`top_k` of serving must be a whole number, at least 1 and at most 3"):
            read_signature(model, top_k=k)
    with pytest.raises(ValueError, match="`from_logits` of serving must be True, False or None"):
        read_signature(model, from_logits="yes")


class OfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_models_that_cannot_be_served():
    inputs = keras.Input((4,))
    two = keras.Model(inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(2)(inputs)})
    one_class = ending_in(layers.Dense(1))
    for model in (two, one_class, "model", layers.Dense(2)):
        with pytest.raises(
            ValueError, match="`model` of serving must be a built Keras model with known inputs and one"
        ):
            read_signature(model)
    own = OfItsOwn()
    own(np.ones((1, 4)))
    for model in (own, keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match=r"keras.Model\(inputs, model\(inputs\)\) with inputs = keras.Input"):
            read_signature(model)
    assert read_signature(keras.Model(inputs, own(inputs)), from_logits=True).names == ["inputs"]


def test_warm_up():
    tensors = [keras.Input((2,), name="a b"), keras.Input((None, 3), name="pixels", dtype="uint8")]
    pixels = layers.GlobalAveragePooling1D()(layers.Rescaling(1.0)(tensors[1]))
    model = keras.Model(tensors, layers.Dense(2)(layers.Concatenate()([tensors[0], pixels])))
    with pytest.warns(UserWarning, match="served are the inputs 'a b' as 'a_b'"):
        signature = read_signature(model)
    a, p = np.ones((4, 2)), np.ones((4, 5, 3), "uint8")
    for given in ([a, p], (a, p), {"a b": a, "pixels": p}, {"a_b": a.tolist(), "pixels": p}):
        arrays = read_warmup(model, signature, given)
        assert [array.dtype for array in arrays] == ["float32", "uint8"]
        assert [array.shape for array in arrays] == [(4, 2), (4, 5, 3)]
    assert read_warmup(model, signature, None) is None
    for wrong in ([a], a, {"a b": a}, {"a b": a, "pixels": p, "c": a}):
        with pytest.raises(ValueError, match="`warmup` of serving must be a dict .*of the inputs a_b, pixels"):
            read_warmup(model, signature, wrong)
    for wrong in (p[:, :, :2], p[0], p[:0], p.astype(float)):
        with pytest.raises(
            ValueError, match=r"a batch for the input 'pixels', of shape \(None, None, 3\) and .* uint8"
        ):
            read_warmup(model, signature, [a, wrong])


def test_it_travels_to_another_process(tmp_path):
    signature, arrays = Signature(["a"], False, ["x", "ÿ"], 2), [np.ones((2, 3), "uint8"), np.array(["a", "ü"])]
    for warmup in (None, arrays):
        signature.save(tmp_path / "signature.npz", warmup)
        again, received = Signature.load(tmp_path / "signature.npz")
        assert again == signature
        for got, sent in zip(received or [], warmup or [], strict=True):
            np.testing.assert_array_equal(got, sent)
