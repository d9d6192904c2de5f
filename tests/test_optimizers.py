"""CoupledSGD, CoupledAdam and the learning rates by epoch against `torch.optim`, on every backend."""

import keras
import numpy as np
import pytest
import torch
from harness import as_numpy, printed_by

import keras_robust as kr
from keras_robust.optimizers import CoupledAdam, CoupledSGD, by_epoch, cosine

EPOCHS, LEARNING_RATE = 5, 0.2
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 4)).astype("float32"), RNG.integers(0, 3, 16)


def pair():
    """The same network twice: dense, batch norm, dense."""
    torch.manual_seed(0)
    reference = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    )
    torch.nn.init.uniform_(reference[1].weight, 0.5, 1.5)
    torch.nn.init.uniform_(reference[1].bias, -0.5, 0.5)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            keras.layers.ReLU(),
            keras.layers.Dense(3),
        ]
    )
    for variable, weight in zip(model.trainable_variables, reference.parameters(), strict=True):
        variable.assign(weight.detach().numpy().T.copy())
    return model, reference


def trained_by_pytorch(reference, clip=None, accumulate=1, kind=torch.optim.SGD, **keywords):
    """Two steps an epoch, the gradient clipped after `backward`, cosine annealing by epoch."""
    optimizer = kind(reference.parameters(), lr=LEARNING_RATE, **keywords)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    norms = []
    for _ in range(EPOCHS):
        for half in (slice(0, 8), slice(8, 16)):
            loss = torch.nn.functional.cross_entropy(reference(torch.from_numpy(X[half])), torch.from_numpy(Y[half]))
            (loss / accumulate).backward()
            if accumulate == 1 or half.start == 8:
                if clip:
                    norms.append(float(torch.nn.utils.clip_grad_norm_(reference.parameters(), clip)))
                optimizer.step()
                optimizer.zero_grad()
        scheduler.step()
    return [weight.detach().numpy().T for weight in reference.parameters()], norms


def trained_by_keras(model, optimizer):
    model.compile(optimizer, loss=kr.CE(from_logits=True))
    model.fit(X, Y, batch_size=8, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[cosine(LEARNING_RATE, EPOCHS)])
    return [as_numpy(variable.value) for variable in model.trainable_variables]


def distance(weights, expected):
    return max(np.abs(got - wanted).max() for got, wanted in zip(weights, expected, strict=True))


@pytest.mark.parametrize(
    "keywords",
    [
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
        {"momentum": 0.9},
        {"weight_decay": 0.1},
    ],
    ids=str,
)
def test_ten_steps_are_pytorchs(keywords):
    model, reference = pair()
    expected, _ = trained_by_pytorch(reference, **keywords)
    assert distance(trained_by_keras(model, CoupledSGD(LEARNING_RATE, **keywords)), expected) < 1e-5


def test_ten_clipped_steps_are_pytorchs():
    """Some steps are clipped and some are not; the decay is added after the clipping."""
    keywords = {"momentum": 0.9, "weight_decay": 0.1}
    model, reference = pair()
    expected, norms = trained_by_pytorch(reference, clip=0.75, **keywords)
    assert 2 <= sum(norm > 0.75 for norm in norms) <= 8
    weights = trained_by_keras(model, CoupledSGD(LEARNING_RATE, global_clipnorm=0.75, **keywords))
    assert distance(weights, expected) < 1e-5


@pytest.mark.parametrize(
    ("clip", "keywords"),
    [
        (None, {"weight_decay": 0.1}),
        (0.75, {"weight_decay": 0.1, "betas": (0.5, 0.9)}),
        # Large beside the first moments, which are corrected before it is added.
        (None, {"eps": 0.1}),
    ],
    ids=str,
)
def test_ten_steps_of_adam_are_pytorchs(clip, keywords):
    model, reference = pair()
    expected, _ = trained_by_pytorch(reference, clip, kind=torch.optim.Adam, **keywords)
    betas = dict(zip(("beta_1", "beta_2"), keywords.get("betas", (0.9, 0.999)), strict=True))
    ours = {"epsilon": keywords.get("eps", 1e-8), "weight_decay": keywords.get("weight_decay", 0.0)}
    weights = trained_by_keras(model, CoupledAdam(LEARNING_RATE, global_clipnorm=clip, **betas, **ours))
    # Where a gradient is nearly 0 the first step is its sign, whatever rounding makes of it.
    assert distance(weights, expected) < 1e-4
    if "eps" not in keywords:
        others = {"weight_decay": 0.1, "global_clipnorm": clip, **betas}
        model, _ = pair()
        assert distance(trained_by_keras(model, keras.optimizers.AdamW(LEARNING_RATE, **others)), expected) > 1e-2
    else:
        model, _ = pair()
        assert distance(trained_by_keras(model, keras.optimizers.Adam(LEARNING_RATE, epsilon=0.1)), expected) > 1e-2


def test_a_first_step_of_adam_has_all_its_digits():
    """Without moments it is the sign of the gradient, and with them what the corrections leave of it."""
    for betas in ((0.9, 0.999), (0.0, 0.0)):
        weight = keras.Variable([1.0])
        CoupledAdam(0.5, *betas).apply([keras.ops.ones(1)], [weight])
        assert float(as_numpy(weight.value)[0]) == pytest.approx(0.5, abs=2e-7)


def test_the_steps_of_keras_differ():
    """Its decay is decoupled; its velocity keeps what the higher rate of an earlier epoch put into it."""
    for keywords in ({"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9}):
        model, reference = pair()
        expected, _ = trained_by_pytorch(reference, **keywords)
        assert distance(trained_by_keras(model, keras.optimizers.SGD(LEARNING_RATE, **keywords)), expected) > 1e-3


def test_accumulated_gradients():
    keywords = {"momentum": 0.9, "weight_decay": 0.1}
    model, reference = pair()
    expected, _ = trained_by_pytorch(reference, clip=0.4, accumulate=2, **keywords)
    optimizer = CoupledSGD(LEARNING_RATE, global_clipnorm=0.4, gradient_accumulation_steps=2, **keywords)
    assert distance(trained_by_keras(model, optimizer), expected) < 1e-5


def test_an_l1_penalty_is_clipped_with_the_loss():
    """As released code of the active negative losses does, whose loss holds the norm of the parameters."""
    model, reference = pair()
    optimizer = torch.optim.SGD(reference.parameters(), lr=LEARNING_RATE)
    loss = torch.nn.functional.cross_entropy(reference(torch.from_numpy(X)), torch.from_numpy(Y))
    (loss + 0.1 * sum(weight.abs().sum() for weight in reference.parameters())).backward()
    assert torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.3) > 0.3
    optimizer.step()
    kr.regularize(model, l1=0.1)
    model.compile(CoupledSGD(LEARNING_RATE, global_clipnorm=0.3), loss=kr.CE(from_logits=True))
    model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
    weights = [as_numpy(variable.value) for variable in model.trainable_variables]
    assert distance(weights, [weight.detach().numpy().T for weight in reference.parameters()]) < 1e-5


def test_an_embedding_is_clipped_by_the_norm_of_its_rows():
    """TensorFlow hands over a row for every token; the same token adds up before the norm is taken."""
    rows, tokens = RNG.normal(size=(6, 3)).astype("float32"), np.array([[1, 1, 2], [1, 4, 4]])
    reference = torch.nn.Embedding.from_pretrained(torch.from_numpy(rows.copy()), freeze=False)
    optimizer = torch.optim.SGD(reference.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=0.1)
    logits = reference(torch.from_numpy(tokens)).mean(dim=1)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.1) > 0.1
    optimizer.step()
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32"), keras.layers.Embedding(6, 3), keras.layers.GlobalAveragePooling1D()]
    )
    model.set_weights([rows])
    optimizer = CoupledSGD(LEARNING_RATE, momentum=0.9, weight_decay=0.1, global_clipnorm=0.1)
    model.compile(optimizer, loss=kr.CE(from_logits=True))
    model.fit(tokens, np.array([0, 2]), verbose=0)
    assert distance([as_numpy(model.weights[0].value)], [reference.weight.detach().numpy()]) < 1e-6


def test_variables_that_do_not_decay():
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    optimizer = CoupledSGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([keras.ops.zeros(1), keras.ops.zeros(1)], variables)
    assert [float(as_numpy(variable.value)[0]) for variable in variables] == [0.75, 1.0]


def test_the_loss_falls_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = kr.models.cnn4((8, 8, 1), 3, classifier_activation=None)
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(0).normal(size=(32, 8, 8, 1))
    optimizer = CoupledSGD(0.05, momentum=0.9, weight_decay=1e-3, global_clipnorm=5.0)
    model.compile(optimizer, loss=kr.CE(from_logits=True))
    history = model.fit(images, np.arange(32) % 3, epochs=8, verbose=0, callbacks=[cosine(0.05, 8)]).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["learning_rate"] == pytest.approx([0.05 * (1 + np.cos(np.pi * e / 8)) / 2 for e in range(8)])


@pytest.mark.parametrize(
    ("kind", "keywords"), [(CoupledSGD, {"momentum": 0.9, "nesterov": True}), (CoupledAdam, {"beta_1": 0.8})]
)
def test_saving_and_configuration(kind, keywords, tmp_path):
    model, _ = pair()
    keywords = {**keywords, "weight_decay": 0.01, "global_clipnorm": 5.0}
    optimizer = kind(0.1, **keywords)
    weights = trained_by_keras(model, optimizer)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is kind
    assert loaded.optimizer.get_config() == optimizer.get_config()
    assert loaded.optimizer.get_config().items() >= keywords.items()
    for again, old in zip(loaded.optimizer.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(as_numpy(again.value), as_numpy(old.value))
    assert distance([as_numpy(variable.value) for variable in loaded.trainable_variables], weights) == 0
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    again = kind.from_config(kind(schedule, weight_decay=0.5).get_config())
    assert again.get_config()["learning_rate"] == keras.optimizers.schedules.serialize(schedule)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"beta_1": 1.0}, "`beta_1` of CoupledAdam must be at least 0 and less than 1"),
        ({"epsilon": 0.0}, "`epsilon` of CoupledAdam must be greater than 0"),
        ({"learning_rate": -0.1}, "`learning_rate` of CoupledSGD must be at least 0. Received: learning_rate=-0.1."),
        ({"momentum": 1.5}, "`momentum` of CoupledSGD must be at least 0 and at most 1"),
        ({"weight_decay": -1e-4}, "`weight_decay` of CoupledSGD must be at least 0"),
        ({"global_clipnorm": 0.0}, "`global_clipnorm` of CoupledSGD must be greater than 0, or None"),
        ({"nesterov": True}, "`momentum` of CoupledSGD must be greater than 0 for nesterov"),
    ],
)
def test_wrong_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        (CoupledAdam if "Adam" in message else CoupledSGD)(**keywords)


def test_unknown_arguments():
    with pytest.raises(TypeError, match="clipvalue"):
        CoupledSGD(clipvalue=1.0)


def test_cosine_is_pytorchs():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=120)
    callback = cosine(0.1, 120)
    for epoch in range(120):
        assert callback.schedule(epoch, None) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_milestones_are_pytorchs_and_a_resumed_run_is_where_it_was():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 4], gamma=0.1)
    expected = []
    for _ in range(6):
        expected += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    callback = by_epoch(kr.schedules.Piecewise((2, 4), (0.1, 0.01, 0.001)), epochs=6)
    model, _ = pair()
    model.compile(CoupledSGD(7.0, momentum=0.9), loss=kr.CE(from_logits=True))
    rates = []
    for start in (0, 3):
        history = model.fit(X, Y, initial_epoch=start, epochs=start + 3, verbose=0, callbacks=[callback])
        rates += history.history["learning_rate"]
    assert rates == pytest.approx(expected)


def test_wrong_schedules():
    with pytest.raises(ValueError, match="`schedule` of by_epoch must be a function"):
        by_epoch(0.1, 10)
    with pytest.raises(ValueError, match="`epochs` of by_epoch must be a whole number, at least 1"):
        cosine(0.1, 0)
    with pytest.raises(ValueError, match="`learning_rate` of cosine must be at least 0"):
        cosine(-0.1, 10)


REPLICAS = """
import numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import contextlib
import keras_robust as kr
x, y = np.random.default_rng(0).normal(size=(16, 4)).astype("float32"), np.arange(16) % 3
weights = []
for scope in (contextlib.nullcontext(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()):
    with scope:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        optimizer = kr.optimizers.CoupledSGD(0.5, momentum=0.9, weight_decay=0.1, global_clipnorm=0.1)
        model.compile(optimizer, kr.CE(from_logits=True))
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    weights.append(model.get_weights())
for one, two in zip(*weights, strict=True):
    np.testing.assert_allclose(one, two, atol=1e-5)
print("equal")
"""


@pytest.mark.only("tensorflow")  # only there do replicas clip apart
def test_two_replicas_clip_as_one():
    assert printed_by(REPLICAS).splitlines()[-1] == "equal"
