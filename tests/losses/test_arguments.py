"""Constructors: intervals with their borders, unknown arguments, signatures."""

import inspect

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES

import keras_robust as kr

NAN, INF = float("nan"), float("inf")

# (class, argument, values just inside, values just outside, further arguments)
INTERVALS = [
    (kr.FL, "gamma", [0, 1e-9, 50], [-1e-9, NAN, INF], {}),
    (kr.RCE, "A", [-1e-9, -100], [0, 1, NAN, -INF], {}),
    (kr.GCE, "q", [0, 1, 1.5], [-1e-9, NAN, INF], {}),
    (kr.SCE, "alpha", [0, 5], [-1], {}),
    (kr.SCE, "beta", [0, 5], [-1], {}),
    (kr.TCE, "t", [1, 2.0, np.int64(20)], [0, 1.5, -1, NAN], {}),
    (kr.AUL, "a", [1 + 1e-9, 6], [1, 0.5, NAN], {"q": 1.0}),
    (kr.AUL, "q", [1e-9, 5], [0, -1], {"a": 2.0}),
    (kr.AGCE, "a", [1e-9, 6], [0, -1], {"q": 1.0}),
    (kr.AGCE, "q", [1e-9, 6], [0, -1], {"a": 1.0}),
    (kr.AEL, "a", [1e-9, 6], [0, -1], {}),
    (kr.MSE, "alpha", [0, 1], [-0.1], {}),
    (kr.JS, "pi", [0, 0.5, 1], [-1e-9, 1 + 1e-9], {}),
    (kr.Poly1, "epsilon", [-1, 10], [-1.1], {}),
    (kr.PHuberCE, "tau", [1, 10], [0.99, 0], {}),
    (kr.BiTempered, "t1", [0, 1], [-0.1, 1.1], {}),
    (kr.BiTempered, "t2", [1, 4], [0.9], {}),
    (kr.BiTempered, "iterations", [1, 20], [0, 2.5], {}),
    (kr.NNCE, "p_min", [1e-30, 0.1], [0, 1, -1], {}),
    (kr.ANLCE, "alpha", [0, 5], [-1, NAN], {}),
    (kr.ANLCE, "beta", [0, 5], [-1, NAN], {}),
    (kr.ANLCEER, "lam", [0, 5], [-1], {"alpha": 1, "beta": 1}),
    (kr.DAL, "q", [0, 2], [-1], {}),
    (kr.DAL, "lam", [0, 2], [-1], {}),
    (kr.GLS, "alpha", [1, -8], [1.01], {}),
    (kr.CR, "beta", [0, 2], [-1], {}),
    (kr.LogitBias, "epsilon", [None, 0, -3, 5], [NAN, INF], {"loss": kr.CE()}),
    (kr.MarginScale, "tau", [1e-6, 5], [0, -1], {"loss": kr.CE()}),
    (kr.MarginShift, "expected_margin", [None, 5], [0, -1], {"loss": kr.CE(), "tau": 1.0}),
    (kr.SparseRegularized, "tau", [1e-6, 5], [0], {"loss": kr.CE(), "from_logits": True}),
    (kr.SparseRegularized, "p", [1e-6, 1], [0], {"loss": kr.CE(), "from_logits": True}),
    (kr.PeerLoss, "alpha", [0, 1], [-1], {"loss": kr.CE()}),
]


@pytest.mark.parametrize(("kind", "name", "inside", "outside", "others"), INTERVALS)
def test_borders(kind, name, inside, outside, others):
    for value in inside:
        assert getattr(kind(**others, **{name: value}), name) == value
    for value in [*outside, "much", True]:
        with pytest.raises(ValueError, match=rf"`{name}` of {kind.__name__} must be .*\. Received: {name}="):
            kind(**others, **{name: value})


def test_messages_name_rule_and_value():
    with pytest.raises(ValueError, match=r"^`q` of GCE must be at least 0\. Received: q=-1\.5\.$"):
        kr.GCE(q=-1.5)
    with pytest.raises(ValueError, match=r"^`a` of AUL must be greater than 1\. Received: a=1\.$"):
        kr.AUL(a=1, q=1)
    with pytest.raises(ValueError, match=r"`t` of TCE must be a whole number, at least 1\. Received: t=1\.5"):
        kr.TCE(1.5)
    with pytest.raises(ValueError, match=r"`bootstrap` of DAL must be one of 'hard', 'soft'\. Received: bootstrap='x'"):
        kr.DAL(bootstrap="x")
    with pytest.raises(ValueError, match=r"`q` of DAL must be greater than 0 where lam is.*q=0\.0, lam=0\.5"):
        kr.DAL(q=0.0, lam=0.5)
    with pytest.raises(ValueError, match=r"`loss` of Normalized must be a loss of keras_robust.*'CE'"):
        kr.Normalized("CE")


def test_prior():
    assert kr.CR(0.5, prior=np.array([0.25, 0.75])).prior == (0.25, 0.75)
    for prior in ([0.5, 0.6], [-0.5, 1.5], [[0.5, 0.5]], "uniform"):
        with pytest.raises(ValueError, match="`prior` of CR must be a list of non-negative class probabilities"):
            kr.CR(0.5, prior=prior)
    with pytest.raises(ValueError, match="`prior` of CR must be 3 probabilities, one for each class"):
        kr.CR(0.5, prior=[0.5, 0.5], from_logits=True)(np.array([0]), np.zeros((1, 3), "float32"))


def test_shared_keywords_are_checked():
    for keyword, value in (("from_logits", 1), ("ignore_class", 1.5), ("ignore_class", True), ("reduction", "average")):
        with pytest.raises(ValueError, match=keyword):
            kr.CE(**{keyword: value})


def test_unknown_arguments_list_the_known_ones():
    with pytest.raises(TypeError, match=r"GCE: .*'gamma'.*Its arguments are \(q=0.7, \*, from_logits=False"):
        kr.GCE(gamma=2.0)
    with pytest.raises(TypeError, match=r"AUL: missing a required argument: 'q'"):
        kr.AUL(a=2.0)
    with pytest.raises(TypeError, match="too many positional"):
        kr.GCE(0.7, True)


def test_signatures_are_those_of_the_contract():
    shared = "*, from_logits=False, ignore_class=None, reduction='sum_over_batch_size', name=None, dtype=None"
    for kind, own in (
        (kr.CE, ""),
        (kr.GCE, "q=0.7, "),
        (kr.SCE, "alpha=0.1, beta=1.0, A=-4.0, "),
        (kr.ANLFL, "alpha=1.0, beta=1.0, gamma=0.5, p_min=1e-07, "),
        (kr.NFLandRCE, "alpha=1.0, beta=1.0, gamma=0.5, A=-4.0, "),
        (kr.BiTempered, "t1=0.8, t2=1.2, iterations=20, "),
        (kr.NFLandMAEStar, "alpha, beta, gamma=0.5, epsilon=None, "),
        (kr.MarginScale, "loss, tau, expected_margin=None, "),
        (kr.PeerLoss, "loss, alpha, "),
        (kr.SparseRegularized, "loss, tau=0.5, lam=1.0, p=0.1, "),
        (kr.DAL, "q=0.6, lam=0.0, bootstrap='hard', "),
    ):
        assert str(inspect.signature(kind)) == f"({own}{shared})"
        assert list(inspect.signature(kind.__init__).parameters)[1:] == list(inspect.signature(kind).parameters)
    pair = str(inspect.signature(kr.NCEandAGCE))
    assert pair.startswith("(alpha=1.0, beta=1.0, *, a, q, from_logits=False")


def test_every_loss_is_a_registered_keras_loss():
    for name in kr.losses.__all__:
        kind = getattr(kr, name)
        assert issubclass(kind, keras.losses.Loss)
        if name != "RobustLoss":
            assert keras.saving.get_registered_name(kind) == f"keras_robust>{name}"


def test_every_argument_is_documented():
    for name in {case.name for case in CASES} | {kind.__name__ for kind, *_ in BATCH_CASES}:
        kind = getattr(kr, name)
        text = inspect.getdoc(kind)
        own = [p for p in inspect.signature(kind).parameters.values() if p.name not in ("from_logits", "ignore_class")]
        for argument in own:
            if argument.name not in ("reduction", "name", "dtype", "keywords"):
                assert f"\n    {argument.name}: " in text, f"{name} does not document {argument.name}"
        assert ">>> " in text, f"{name} shows no example"
        if name not in ("WeightedSum", "CE"):
            assert "Reference: " in text, f"{name} cites no source"


def test_a_users_own_loss_is_a_value_and_its_slope():
    class Squared(kr.losses.algebra.ElementaryLoss):
        def value(self, log_p):
            return log_p * log_p

        def slope(self, log_p):
            return -2.0 * log_p

    z, y = np.array([[0.0, 0.0]], "float32"), np.array([0])
    assert float(Squared(from_logits=True)(y, z)) == pytest.approx(np.log(2) ** 2)
    assert float(kr.Normalized(Squared(), from_logits=True)(y, z)) == pytest.approx(0.5)
    assert float(Squared(from_logits=True).implicit_weight(y, z)[0]) == pytest.approx(np.log(2))
