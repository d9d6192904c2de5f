"""Sums and wrappers: what composes with what, and what the shared keywords do."""

import keras
import numpy as np
import pytest
from harness import as_numpy, value_and_gradient
from keras import ops

import keras_robust as kr
from keras_robust.losses import rows
from keras_robust.losses.algebra import ElementaryLoss

RNG = np.random.default_rng(5)
Z = (3 * RNG.normal(size=(6, 10))).astype("float32")
Y = RNG.integers(0, 10, 6)  # (6, 10), as in test_cases.py: compiled once


def values(loss, y=Y, z=Z):
    return as_numpy(loss.call(y, z))


def logits(loss):
    """The same loss, reading logits."""
    return type(loss).from_config(loss.get_config() | {"from_logits": True})


def test_weights_multiply_and_sums_flatten():
    nce, mae, ce = kr.NCE(from_logits=True), kr.MAE(), kr.CE()
    loss = 2 * (nce + 0.5 * mae) * 3.0 + ce
    assert isinstance(loss, kr.WeightedSum)
    assert loss.weights == (6.0, 3.0, 1.0)
    assert loss.losses == (nce, mae, ce)
    expected = 6 * values(logits(nce)) + 3 * values(logits(mae)) + values(logits(ce))
    np.testing.assert_allclose(values(loss), expected, rtol=1e-6)
    np.testing.assert_allclose(values(sum([logits(nce), mae])), values(logits(nce)) + values(logits(mae)), rtol=1e-6)


def test_the_evidence_is_read_once_for_a_sum(monkeypatch):
    reads = []
    plain = rows.others
    monkeypatch.setattr(rows, "others", lambda *arguments: reads.append(arguments) or plain(*arguments))
    loss = kr.NCE(from_logits=True) + kr.NNCE() + kr.DAL(0.6, 1.0) + kr.GLS(0.1) + kr.LogitBias(kr.GCE(), 1.0)
    loss.call(Y, Z)
    assert len(reads) == 1


class Flat(ElementaryLoss):
    """One number for all."""

    def value(self, log_p):
        return 0.5

    def slope(self, log_p):
        return ops.zeros_like(log_p)


class LogP(ElementaryLoss):
    """What comes in, as it is."""

    def value(self, log_p):
        return log_p

    def slope(self, log_p):
        return -ops.ones_like(log_p)


class Inverse(ElementaryLoss):
    """1 / p, which is its own slope: one tensor for both, computed once."""

    def at(self, p):
        p.inverse = ops.exp(-p.log_p)
        return p.inverse

    def slope_at(self, p):
        return p.inverse


class InverseTwice(ElementaryLoss):
    def value(self, log_p):
        return ops.exp(-log_p)

    slope = value


@pytest.mark.parametrize("y", [Y, np.eye(10, dtype="float32")[Y] * 0.5 + 0.05], ids=["ids", "soft"])
def test_what_a_function_returns_is_only_read(y):
    def both(loss):
        return value_and_gradient(loss, y, Z)

    ce = both(kr.CE(from_logits=True))
    for loss, (value, gradient) in (
        (Flat(from_logits=True), (np.full(6, 0.5), np.zeros_like(Z))),
        (kr.Normalized(Flat(), from_logits=True), (np.full(6, 0.1), np.zeros_like(Z))),
        (kr.CE(from_logits=True) + 2 * Flat(), (ce[0] + 1.0, ce[1])),
        (LogP(from_logits=True), (-ce[0], -ce[1])),
        (Inverse(from_logits=True), both(InverseTwice(from_logits=True))),
        (kr.Normalized(Inverse(), from_logits=True), both(kr.Normalized(InverseTwice(), from_logits=True))),
    ):
        found, found_gradient = both(loss)
        np.testing.assert_allclose(found, value, rtol=1e-5, err_msg=repr(loss))
        np.testing.assert_allclose(found_gradient, gradient, rtol=1e-4, atol=1e-6, err_msg=repr(loss))


def test_a_class_does_not_hide_an_argument():
    with pytest.raises(TypeError, match="`q` of Half hides the argument of that name"):
        type("Half", (kr.GCE,), {"q": 0.5})


@pytest.mark.parametrize("weight", ["2", True, None, [1.0], kr.CE()])
def test_only_numbers_weigh(weight):
    with pytest.raises(TypeError):
        kr.CE() * weight


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_are_finite(weight):
    with pytest.raises(ValueError, match="`weight` of a weighted loss must be a finite number"):
        weight * kr.CE()


def test_only_losses_add():
    for other in (1, "MAE", keras.losses.MeanSquaredError()):
        with pytest.raises(TypeError):
            kr.CE() + other


def test_published_losses_are_lines_of_the_algebra():
    pairs = [
        (kr.NCE(), kr.Normalized(kr.CE())),
        (kr.ANLCE(5, 2, 1e-5), 5 * kr.Normalized(kr.CE()) + 2 * kr.NegativeNormalized(kr.CE(), 1e-5)),
        (kr.SCE(0.3, 2.0), 0.3 * kr.CE() + 2.0 * kr.RCE()),
        (kr.MAEStar(1.2), kr.LogitBias(kr.MAE(), 1.2)),
        (kr.MSE(0.0), kr.MAE()),
        (kr.GCE(1.0), kr.MAE()),
        (kr.TCE(1), kr.MAE()),
        (kr.Normalized(kr.SCE()), kr.Normalized(0.1 * kr.CE() + 4.0 * kr.MAE())),
        (kr.UnitWeight(3.0 * kr.GCE()), kr.UnitWeight(kr.GCE())),
        (kr.Normalized(kr.UnitWeight(kr.GCE())), kr.NGCE()),
        (kr.MarginShift(kr.GCE(), 2.0, 3.5), kr.LogitBias(kr.GCE(), 1.5)),
        (kr.LogitBias(kr.LogitBias(kr.NCE(), 1.0), 0.5), kr.LogitBias(kr.NCE(), 1.5)),
        (kr.DAL(1.2, 0.5), kr.GCE(1.2) + (0.5 / (1.2 * np.log(10))) * kr.Bootstrap()),
        (kr.CR(0.5), kr.CR(0.5, prior=[1 / 10] * 10)),
    ]
    for one, other in pairs:
        a, b = value_and_gradient(logits(one), Y, Z), value_and_gradient(logits(other), Y, Z)
        np.testing.assert_allclose(a[0], b[0], rtol=2e-6, atol=1e-7, err_msg=repr(one))
        np.testing.assert_allclose(a[1], b[1], rtol=1e-5, atol=1e-6, err_msg=repr(one))
        weights = [as_numpy(logits(loss).implicit_weight(Y, Z)) for loss in (one, other)]
        np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-7, err_msg=repr(one))


@pytest.mark.parametrize(
    "loss",
    [kr.Normalized(kr.MarginScale(kr.GCE(), 2.0)), kr.Normalized(kr.MarginScale(kr.CE() + kr.MAE(), 2.0)), kr.NGCE()],
    ids=repr,
)
def test_normalized_losses_sum_to_one_over_the_labels(loss):
    total = sum(values(logits(loss), y=np.full(6, k)) for k in range(10))
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "wrapper", [kr.Normalized, kr.NegativeNormalized, kr.UnitWeight, lambda x: kr.MarginScale(x, 1.0)]
)
@pytest.mark.parametrize(
    "loss", [kr.LogitBias(kr.CE()), kr.MarginShift(kr.CE(), 1.0), kr.NCE(), kr.MSE(), kr.CE() + kr.NCE()]
)
def test_functions_of_more_than_one_probability_are_refused(wrapper, loss):
    with pytest.raises(ValueError, match="must be a function of the label's probability alone"):
        wrapper(loss)


def test_what_composes_the_other_way_round():
    shifted = Z.copy()
    shifted[np.arange(6), Y] += 1.5
    np.testing.assert_allclose(
        values(kr.LogitBias(kr.Normalized(kr.CE()), 1.5, from_logits=True)),
        values(logits(kr.NCE()), z=shifted),
        rtol=1e-5,
    )


def test_logit_bias_moves_by_soft_labels():
    t = RNG.dirichlet(np.ones(10), size=6).astype("float32")
    expected = as_numpy(kr.NCE(from_logits=True).call(t, Z + 2.0 * t))
    np.testing.assert_allclose(values(kr.LogitBias(kr.NCE(), 2.0, from_logits=True), y=t), expected, rtol=1e-6)


def test_margin_scale_under_soft_labels_uses_every_margin():
    t = RNG.dirichlet(np.ones(10), size=6).astype("float32")
    p = np.exp(Z.astype("float64"))
    p /= p.sum(axis=-1, keepdims=True)
    scaled = 1 / (1 + (p / (1 - p)) ** -0.7)
    loss = kr.MarginScale(kr.MAE(), tau=0.7, expected_margin=1.0, from_logits=True)
    np.testing.assert_allclose(values(loss, y=t), (t * (1 - scaled)).sum(axis=-1), rtol=1e-5)


def test_negative_normalized_needs_a_decreasing_loss_and_a_small_p_min():
    for loss in (-1.0 * kr.CE(), kr.CE() + -0.1 * kr.MAE(), 0.0 * kr.CE()):
        with pytest.raises(ValueError, match="must fall as the label's probability rises"):
            kr.NegativeNormalized(loss)
    with pytest.raises(
        ValueError, match=r"`p_min` of NegativeNormalized must be below 1/K = 1/10. Received: p_min=0.125"
    ):
        kr.NegativeNormalized(kr.CE(), p_min=0.125, from_logits=True)(Y, Z)


def test_default_bias_and_margin_come_from_the_number_of_classes():
    wide = RNG.normal(size=(4, 100)).astype("float32")
    y = np.array([1, 2, 3, 4])
    for automatic, by_hand in (
        (kr.MAEStar(), kr.MAEStar(3.03409)),
        (kr.MarginScale(kr.MAE(), 2.6), kr.MarginScale(kr.MAE(), 2.6, 5.08644)),
        (kr.MarginShift(kr.MAE(), 2.6), kr.MarginShift(kr.MAE(), 2.6, 5.08644)),
    ):
        np.testing.assert_allclose(values(logits(automatic), y, wide), values(logits(by_hand), y, wide), rtol=1e-5)
    # Below seven classes the equation's solution is negative; the default is then no bias.
    np.testing.assert_array_equal(
        values(logits(kr.MAEStar()), Y % 5, Z[:, :5]), values(logits(kr.MAEStar(0.0)), Y % 5, Z[:, :5])
    )


@pytest.mark.parametrize("wrapper", [kr.MarginScale, kr.MarginShift])
def test_expected_margin_of_two_classes_must_be_given(wrapper):
    with pytest.raises(ValueError, match="`expected_margin` of Margin.* must be given for K = 2"):
        wrapper(kr.MAE(), 1.0, from_logits=True)(Y % 2, Z[:, :2])
    wrapper(kr.MAE(), 1.0, expected_margin=0.4, from_logits=True)(Y % 2, Z[:, :2])


def test_unit_weight_is_the_supremum():
    margins = np.linspace(-30, 15, 20001).astype("float32")
    z = np.stack([margins, np.zeros_like(margins)], axis=-1)
    for loss in (kr.GCE(0.7), kr.GCE(5.0), kr.FL(2.0), kr.JS(0.9), kr.SCE(), kr.AUL(6.3, 1.5), kr.TCE(6), kr.GCE(1e-3)):
        weights = as_numpy(logits(kr.UnitWeight(loss)).implicit_weight(np.zeros(20001, "int32"), z))
        assert weights.max() == pytest.approx(1.0, rel=1e-5)


class TestSharedKeywords:
    def test_a_sum_takes_them_from_its_parts(self):
        loss = kr.CE(from_logits=True) + kr.MAE(reduction="sum")
        assert loss.from_logits
        assert loss.reduction == "sum"
        assert (2 * kr.CE(ignore_class=3)).ignore_class == 3
        assert not (kr.CE() + kr.MAE()).from_logits

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (kr.CE(from_logits=True), kr.MAE(from_logits=False)),
            (kr.CE(reduction="sum"), kr.MAE(reduction=None)),
            (kr.CE(ignore_class=1), 2 * kr.MAE(ignore_class=2)),
            (kr.CE(dtype="float64"), kr.MAE(dtype="float32")),
        ],
    )
    def test_the_parts_of_a_sum_must_agree(self, first, second):
        with pytest.raises(ValueError, match="parts of a sum must agree"):
            first + second

    @pytest.mark.parametrize(
        "keyword", [{"from_logits": True}, {"reduction": "sum"}, {"ignore_class": 2}, {"dtype": "float64"}]
    )
    def test_an_inner_keyword_set_otherwise_is_refused(self, keyword):
        name = next(iter(keyword))
        for wrap in (
            kr.Normalized,
            lambda loss, **k: kr.LogitBias(loss, 1.0, **k),
            lambda loss, **k: kr.APL(loss, kr.MAE(), **k),
            lambda loss, **k: kr.PeerLoss(loss, 0.1, **k),
        ):
            with pytest.raises(ValueError, match=f"`{name}` of CE is set to"):
                wrap(kr.CE(**keyword))
            wrap(kr.CE(**keyword), **keyword)
            wrap(kr.CE(), **keyword)
        with pytest.raises(ValueError, match="`from_logits` of CE is set to False"):
            kr.Normalized(kr.CE(from_logits=False), from_logits=True)

    def test_round_trip_of_a_wrapper_whose_part_has_defaults(self):
        loss = kr.LogitBias(kr.Normalized(kr.GCE(0.5)), 1.0, from_logits=True, ignore_class=7, dtype="float64")
        again = kr.LogitBias.from_config(loss.get_config())
        assert again.get_config() == loss.get_config()
        assert again.loss.loss.q == 0.5

    def test_names(self):
        assert kr.NFLandMAEStar(1, 1).name == "nfl_and_mae_star"
        assert kr.ANLCE().name == "anlce"
        assert kr.LogitBias(kr.CE(name="inner"), name="outer").name == "outer"


class TestHyperparameters:
    def test_names_stand_alone_where_they_are_unique(self):
        assert kr.LogitBias(kr.GCE(q=0.7), epsilon=5.2).hyperparameters == {"epsilon": 5.2, "q": 0.7}
        assert kr.BiTempered(0.5, 2.0, 30).hyperparameters == {"t1": 0.5, "t2": 2.0}
        assert kr.DAL(0.6, bootstrap="soft").hyperparameters == {"q": 0.6, "lam": 0.0}

    def test_names_are_dotted_where_parts_share_them(self):
        loss = kr.APL(kr.NFL(0.5), kr.FL(2.0), 1.0, 3.0)
        assert loss.hyperparameters == {"alpha": 1.0, "beta": 3.0, "active.gamma": 0.5, "passive.gamma": 2.0}
        loss = 2 * kr.GCE(0.5) + kr.GCE(0.9) + 3 * kr.MAE()
        assert loss.hyperparameters == {
            "gce.weight": 2.0,
            "gce.q": 0.5,
            "gce_1.weight": 1.0,
            "gce_1.q": 0.9,
            "mae.weight": 3.0,
        }

    def test_assignment_that_could_not_take_effect_raises(self):
        loss = kr.GCE()
        with pytest.raises(
            AttributeError, match=r"`q` of GCE cannot be assigned.*HyperparameterSchedule.*GCE\(q=0.9, ...\)"
        ):
            loss.q = 0.9
        assert loss.q == 0.7


def test_wrapped_losses_equal_ops_in_half_precision_logits():
    z = ops.cast(Z, "bfloat16")
    expected = values(kr.NCEandRCE(from_logits=True), z=ops.cast(z, "float32"))
    np.testing.assert_array_equal(values(kr.NCEandRCE(from_logits=True), z=z), expected)


def test_a_scaled_margin_keeps_its_range_beside_a_bootstrap():
    z = np.array([[500.0, 0.0, -1.0], [-500.0, 0.0, 1.0]], "float32")
    y = np.array([0, 0])
    scaled = kr.MarginScale(kr.CE(), tau=0.01, expected_margin=1.0)
    for narrow in (scaled, kr.UnitWeight(scaled), 2.0 * scaled):
        both = value_and_gradient(logits(narrow + kr.DAL(1.2, 0.5)), y, z)
        parts = [value_and_gradient(logits(part), y, z) for part in (narrow, kr.DAL(1.2, 0.5))]
        for got, one, other in zip(both, *parts, strict=True):
            np.testing.assert_allclose(got, one + other, rtol=1e-5, atol=1e-9)
