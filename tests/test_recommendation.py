"""What is recommended follows from the number of classes, says why, and quotes no number that is not so."""

import re

import keras
import numpy as np
import pytest

import keras_robust as kr
from keras_robust import recipes, theory


@pytest.mark.parametrize("K", [2, 10, 31])
def test_few_classes(K):
    advice = kr.recommend(K)
    assert isinstance(advice.loss, kr.ANLCE)
    assert (advice.loss.alpha, advice.loss.beta, advice.l1) == (5.0, 5.0, 5e-5)
    assert ("nearer to 10" in advice.reason) == (K != 10)
    assert advice.callbacks() == []
    assert kr.recommend(K, noise_rate=0.3).loss.get_config() == advice.loss.get_config()


@pytest.mark.parametrize("K", [32, 100])
def test_a_hundred_classes(K):
    advice = kr.recommend(K, noise_rate=0.8)
    assert (advice.loss.alpha, advice.loss.beta, advice.l1) == (10.0, 1.0, 5e-7)
    assert theory.is_symmetric(advice.loss, K)


@pytest.mark.parametrize("K", [101, 1000, 1_000_000])
def test_many_classes_take_a_bias_from_their_number(K):
    advice = kr.recommend(K)
    assert isinstance(advice.loss, kr.MAEStar)
    assert advice.loss.epsilon == theory.logit_bias(K)
    assert advice.l1 == 0.0
    assert f"epsilon = {theory.logit_bias(K):.4f}" in advice.reason
    assert f"{theory.mean_error(advice.loss, K):.3f}" in advice.reason
    assert theory.mean_error(advice.loss, K) == pytest.approx(-0.101, abs=1e-3)


def test_the_cycle_of_the_bias_is_moved_to_the_number_of_classes():
    advice = kr.recommend(1000, cycle=True)
    first, again = advice.callbacks()[0], advice.callbacks()[0]
    assert first is not again
    values = [first.schedules["epsilon"](epoch, 100) for epoch in (0, 11, 55, 66)]
    start = theory.logit_bias(1000)
    assert values == pytest.approx([start, start - 0.4, start - 2.9, start])
    assert "moved by us" in advice.reason
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1000)])
    model.compile("sgd", loss=advice.loss)
    history = model.fit(np.ones((4, 2)), np.arange(4), epochs=12, verbose=0, callbacks=advice.callbacks()).history
    assert history["epsilon"][-1] == pytest.approx(start - 0.4)


def test_clean_labels_take_cross_entropy():
    advice = kr.recommend(100, noise_rate=0.0, from_logits=False)
    assert type(advice.loss) is kr.CE
    assert not advice.loss.from_logits
    assert kr.recommend(100).loss.from_logits
    assert (advice.l1, advice.callbacks()) == (0.0, [])


def test_what_it_quotes_is_what_the_recipes_and_the_readme_say(request):
    def printed(name):
        return f"{recipes.get(name).expected.value:.2f}%"

    ours = recipes.get("anl/cifar10/symmetric:0.4/anl-ce")
    assert (ours.build_loss().hyperparameters, ours.l1) == (kr.recommend(10).loss.hyperparameters, kr.recommend(10).l1)
    ours = recipes.get("anl/cifar100/symmetric:0.4/anl-ce")
    assert (ours.build_loss().hyperparameters, ours.l1) == (
        kr.recommend(100).loss.hyperparameters,
        kr.recommend(100).l1,
    )
    ours = recipes.get("anl/mnist/symmetric:0.4/anl-ce")
    assert (ours.build_loss().alpha, ours.build_loss().beta, ours.l1) == (1.0, 1.0, 1e-6)
    names = [f"anl/cifar10/symmetric:{rate}/{loss}" for loss in ("anl-ce", "ce") for rate in (0.4, 0.8)]
    reason = kr.recommend(10).reason
    assert re.findall(r"\d+\.\d\d%", reason) == [printed(name) for name in names]
    readme = (request.config.rootpath / "README.md").read_text()
    for line, numbers in (("CE()", ("75.4", "97.2")), ("ANLCE(alpha=…", ("98.1", "1.4"))):
        (row,) = re.findall(rf"│ {re.escape(line)}.*", readme)
        for number in numbers:
            assert f" {number} ±" in row
            assert f"{number}%" in reason
    clean = kr.recommend(100, noise_rate=0).reason
    shares = [printed(f"curriculum/cifar100/clean/{loss}") for loss in ("ce", "gce", "aul")]
    assert re.findall(r"\d+\.\d\d%", clean) == shares
    errors = [theory.mean_error(kr.ANLCE(alpha=10, beta=1), K) for K in (100, 1000)]
    assert re.findall(r"-0\.\d{4}", kr.recommend(1000).reason) == [f"{error:.4f}" for error in errors]


def test_print_shows_loss_penalty_and_every_claim_with_its_source():
    advice = kr.recommend(20)
    text = str(advice)
    assert "20 classes: " in text
    assert "regularize(model, l1=5e-05)" in text
    assert all(f"- {claim.text} [{claim.source}]" in text for claim in advice.claims)
    assert all(claim.source for claim in advice.claims)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_classes": 1}, "`num_classes` of recommend must be a whole number, at least 2"),
        ({"num_classes": "10"}, "`num_classes` of recommend must be a whole number"),
        ({"num_classes": 10, "noise_rate": -0.1}, "`noise_rate` of recommend must be at least 0 and less than 1"),
        ({"num_classes": 10, "noise_rate": 0.9}, r"`noise_rate` of recommend must be below \(K - 1\) / K = 0.9"),
        ({"num_classes": 10, "cycle": True}, "`cycle` of recommend must be False for 10 classes"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        kr.recommend(**arguments)
