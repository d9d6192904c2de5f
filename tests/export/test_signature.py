"""What a model takes and gives is read off it, or asked for."""

import keras
import numpy as np
import pytest
from keras import layers
from kinds import OTHER_NAMES

import keras_robust as kr
from keras_robust.export.heads import Head
from keras_robust.export.signature import Input, Signature, read_batch, read_signature


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
    (head,) = read_signature(make()).heads
    assert (head.from_logits, head.kind) == (expected, "classes")


def head_of(model, **keywords):
    (head,) = read_signature(model, **keywords).heads
    return head


def test_what_cannot_be_told_is_asked():
    unclear = ending_in(layers.Dense(3), layers.Rescaling(2.0))
    with pytest.raises(ValueError, match="Neither the loss of the model nor its last layer tells.*from_logits=True"):
        read_signature(unclear)
    assert head_of(unclear, from_logits=False).from_logits is False
    for last, loss in (("softmax", kr.CE(from_logits=True)), (None, kr.CE())):
        wrong = ending_in(layers.Dense(3, last), loss=loss)
        with pytest.raises(ValueError, match=rf"ends in .* CE\(from_logits={loss.from_logits}\), reads .*one of them"):
            read_signature(wrong)
        assert head_of(wrong, from_logits=True).from_logits
    for loss in ("sparse_categorical_crossentropy", "bce", keras.losses.categorical_crossentropy):
        with pytest.raises(ValueError, match=r"ends in logits.*\(from_logits=False\), reads probabilities"):
            read_signature(ending_in(layers.Dense(3), loss=loss))
    for loss in ("of my own", lambda y, p: p):
        own = ending_in(layers.Dense(3), loss=loss)
        with pytest.raises(ValueError, match="ends in 3 numbers, and nothing tells what they are.*answers='classes'"):
            read_signature(own)
    assert head_of(own, from_logits=True).kind == head_of(own, answers="classes").kind == "classes"
    one = ending_in(layers.Dense(1))
    with pytest.raises(ValueError, match="ends in one number, and nothing tells what it is.*answers='values'"):
        read_signature(one)
    assert head_of(one, answers="values") == Head("", "output_1", "values", 1)
    assert head_of(one, answers="questions") == Head("", "output_1", "questions", 1, True)


@pytest.mark.parametrize(
    ("last", "loss", "kind", "from_logits"),
    [
        (layers.Dense(3, "sigmoid"), None, "questions", False),
        (layers.Dense(3), kr.Binary(kr.CE(), from_logits=True), "questions", True),
        (layers.Dense(1), kr.GCE(from_logits=True), "questions", True),
        (layers.Dense(1, "sigmoid"), kr.GCE(), "questions", False),
        (layers.Dense(3), keras.losses.BinaryCrossentropy(from_logits=True), "questions", True),
        (layers.Dense(3, "sigmoid"), "binary_crossentropy", "questions", False),
        (layers.Rescaling(1.0), "bce", "questions", False),
        (layers.Dense(3), keras.losses.CategoricalFocalCrossentropy(from_logits=True), "classes", True),
        (layers.Dense(3), "mse", "values", False),
        (layers.Dense(1), keras.losses.Huber(), "values", False),
    ],
)
def test_what_an_output_holds(last, loss, kind, from_logits):
    head = head_of(ending_in(last, loss=loss))
    assert (head.kind, head.from_logits) == (kind, from_logits)


def outputs(**heads):
    inputs = keras.Input((4,))
    return keras.Model(inputs, {name: layer(inputs) for name, layer in heads.items()})


def test_several_outputs():
    model = outputs(a=layers.Dense(3), b=layers.Dense(2), c=layers.Dense(1))
    names = {"b": ["x", "y"]}
    heads = read_signature(model, class_names=names, top_k={"a": 2}, answers={"c": "values"}).heads
    assert heads == [
        Head("a", "a", "classes", 3, True, None, 2),
        Head("b", "b", "classes", 2, True, ["x", "y"], 1),
        Head("c", "c", "values", 1),
    ]
    assert [head.served("values") for head in heads] == ["a_values", "b_values", "c_values"]
    heads = read_signature(model, answers="values").heads
    assert {head.kind for head in heads} == {"values"}
    for key, wrong in (("class_names", ["x", "y"]), ("top_k", {"d": 1}), ("from_logits", {"d": True})):
        with pytest.raises(ValueError, match=f"`{key}` of serving must be a dict by output, a, b, c"):
            read_signature(model, **{key: wrong, "answers": {"c": "values"}})
    with pytest.raises(ValueError, match="The output 'c' ends in one number"):
        read_signature(model)
    inputs = keras.Input((4,))
    listed = keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(2, name="variables")(inputs)])
    with pytest.warns(UserWarning, match="served are 'variables' as 'output_variables'"):
        assert [head.name for head in read_signature(listed).heads] == ["output_1", "output_variables"]
    with pytest.raises(ValueError, match="a model whose outputs have different names"):
        read_signature(outputs(**{"a b": layers.Dense(2), "a-b": layers.Dense(2)}))


def test_encoded_images():
    def served(shape, dtype="uint8", **keywords):
        inputs = keras.Input(shape, dtype=dtype, name="image")
        x = layers.GlobalAveragePooling2D()(layers.Rescaling(1.0)(inputs)) if len(shape) == 3 else inputs
        return read_signature(keras.Model(inputs, layers.Dense(2)(x)), images="bytes", **keywords).inputs[0]

    assert served((8, 9, 3)) == Input("image", "image", (None, 8, 9, 3), "uint8", 255.0)
    assert served((None, None, 1), "float32", unit=1).unit == 1.0
    assert served((8, 9, 3)).served == ((None,), "string")
    for shape, dtype, keywords, rule in (
        ((8, 9, 3), "float32", {}, "`unit` of serving must be 1 or 255, what a white pixel is to an input of dtype"),
        ((8, 9, 3), "float32", {"unit": 2}, "`unit` of serving must be 1 or 255"),
        ((8, 9, 3), "uint8", {"unit": 1}, "`unit` of serving must be 255 or None for an input of dtype uint8"),
        ((8, 9, 2), "uint8", {}, "`images` of serving must be None for a model without an input"),
        ((8,), "float32", {}, "`images` of serving must be None for a model without an input"),
    ):
        with pytest.raises(ValueError, match=rule):
            served(shape, dtype, **keywords)
    for wrong in ({"images": "jpeg"}, {"unit": 1}):
        with pytest.raises(ValueError, match="of serving must be"):
            read_signature(ending_in(layers.Dense(2)), **wrong)


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_names_of_inputs():
    def names(*inputs):
        tensors = [keras.Input((2,), name=name) for name in inputs]
        return read_signature(keras.Model(tensors, layers.Dense(2)(layers.Concatenate()([*tensors, tensors[0]])))).names

    assert names(None) == ["inputs"]
    assert names("pixels") == ["pixels"]
    assert names("pixels", None, "input_layer_7") == ["pixels", "inputs_2", "inputs_3"]
    for name, served in OTHER_NAMES.items():
        with pytest.warns(UserWarning, match=rf"served are {name!r} as {served!r}\."):
            assert names("pixels", name) == ["pixels", served]
    with pytest.raises(ValueError, match="`model` of serving must be a model whose inputs have different names"):
        names("a b", "a-b")
    by_key = {"right": keras.Input((2,)), "left": keras.Input((2,))}
    model = keras.Model(by_key, layers.Dense(2)(by_key["left"] - by_key["right"]))
    assert read_signature(model).names == ["left", "right"]


def test_classes():
    model = ending_in(layers.Dense(3))

    def named(class_names=None, top_k=None):
        return Head("", "output_1", "classes", 3, True, class_names, top_k or 0)

    assert read_signature(model) == Signature([Input("inputs", "inputs", (None, 4), "float32")], [named()])
    assert head_of(model, class_names=np.array([7, 8, 9])) == named(["7", "8", "9"], 1)
    assert head_of(model, class_names="a b c".split(), top_k=3).top_k == 3
    assert head_of(model, class_names={2: "c", 0: "a", 1: "b"}).class_names == ["a", "b", "c"]
    assert head_of(model, top_k=2) == named(top_k=2)
    for names in (["a", "b"], "abc", list("abcd"), set("abc"), {"a": 0, "b": 1, "c": 2}):
        with pytest.raises(ValueError, match="`class_names` of serving must be a list of 3 names, one for each class"):
            read_signature(model, class_names=names)
    for k in (0, 4, 1.5):
        with pytest.raises(ValueError, match="`top_k` of serving must be a whole number, at least 1 and at most 3"):
            read_signature(model, top_k=k)
    with pytest.raises(ValueError, match="`from_logits` of serving must be True, False or None"):
        read_signature(model, from_logits="yes")
    with pytest.raises(ValueError, match="`answers` of serving must be one of 'classes', 'questions', 'values'"):
        read_signature(model, answers="labels")
    with pytest.raises(ValueError, match="`top_k` of serving must be None for an output that is served as its values"):
        read_signature(model, answers="values", top_k=1)
    yes = ending_in(layers.Dense(1, "sigmoid"))
    assert head_of(yes, class_names=["no", "yes"]).no_and_yes
    assert head_of(yes, class_names=iter(["no", "yes"])).no_and_yes
    assert not head_of(yes, class_names=["sick"]).no_and_yes
    for names in (3, ["no", "yes", "or"]):
        with pytest.raises(ValueError, match="`class_names` of serving must be a list of 1 names"):
            head_of(yes, class_names=names)
    with pytest.raises(ValueError, match=r"must be a model whose output is \(batch, ..., K\) with K of at least 2"):
        read_signature(yes, answers="classes")


class OfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_models_that_cannot_be_served():
    inputs = keras.Input((4,))
    for model in ("model", layers.Dense(2)):
        with pytest.raises(ValueError, match="`model` of serving must be a built Keras model with known inputs and"):
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
    with pytest.warns(UserWarning, match="served are 'a b' as 'a_b'"):
        signature = read_signature(model)
    a, p = np.ones((4, 2)), np.ones((4, 5, 3), "uint8")
    for given in ([a, p], (a, p), {"a b": a, "pixels": p}, {"a_b": a.tolist(), "pixels": p}):
        arrays = read_batch(signature.inputs, given, "serving", "warmup")
        assert [array.dtype for array in arrays] == ["float32", "uint8"]
        assert [array.shape for array in arrays] == [(4, 2), (4, 5, 3)]
    for wrong in ([a], a, {"a b": a}, {"a b": a, "pixels": p, "c": a}):
        with pytest.raises(ValueError, match="`warmup` of serving must be a dict .*of the inputs a_b, pixels"):
            read_batch(signature.inputs, wrong, "serving", "warmup")
    for wrong in (p[:, :, :2], p[0], p[:0], p.astype(float)):
        with pytest.raises(
            ValueError, match=r"a batch for the input 'pixels', of shape \(None, None, 3\) and .* uint8"
        ):
            read_batch(signature.inputs, [a, wrong], "serving", "warmup")


def test_it_travels_to_another_process(tmp_path):
    inputs = [Input("a", "b", (None, 2), "float32"), Input("c", "c", (None, None, 3), "uint8", 255.0)]
    signature = Signature(inputs, [Head("", "output_1", "classes", 2, False, ["x", "ÿ"], 2)])
    arrays = [np.ones((2, 3), "uint8"), np.array(["a", "ü"])]
    for warmup in (None, arrays):
        signature.save(tmp_path / "signature.npz", warmup)
        again, received = Signature.load(tmp_path / "signature.npz")
        assert again == signature
        for got, sent in zip(received or [], warmup or [], strict=True):
            np.testing.assert_array_equal(got, sent)
