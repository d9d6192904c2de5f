"""What is recommended follows from the number of classes, says why, and quotes no number that is not so."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_robust as kr
from keras_robust import recipes, theory
from keras_robust.algorithms.reading import read_algorithm
from keras_robust.recipes.obtained import DEMO
from keras_robust.recipes.table import BY_NAME


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
def test_many_classes_take_a_q_from_their_number(K):
    advice = kr.recommend(K, noise_rate=0.4)
    assert isinstance(advice.loss, kr.GCE)
    assert advice.loss.q == theory.transfer(kr.GCE(q=0.7), "q", 100, K)
    assert theory.mean_error(advice.loss, K) == pytest.approx(theory.mean_error(kr.GCE(q=0.7), 100), rel=1e-6)
    assert (advice.l1, advice.callbacks()) == (0.0, [])
    assert (
        f"q = {advice.loss.q:.4f} starts at {K:,} classes with the mean error that q = 0.7 has at 100" in advice.reason
    )
    assert not kr.recommend(K, from_logits=False).loss.from_logits


@pytest.mark.parametrize(("K", "text"), [(2, "ELR(beta=0.7, lam=3)"), (32, "ELR(beta=0.9, lam=7)")])
def test_an_algorithm_may_be_recommended(K, text):
    advice = kr.recommend(K, algorithm=True)
    assert advice.algorithm == text
    assert isinstance(advice.loss, kr.CE)
    assert "reached 69.53%, 70.94% with DAL inside; cross entropy 43.78%" in advice.reason
    assert f"inside {text}" in str(advice)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(K)])
    model = read_algorithm(advice.algorithm).build(network, 4, K, probe=lambda: None)
    model.compile("sgd", advice.loss)
    targets = {"label": np.arange(4) % K, "index": np.arange(4)}
    assert np.isfinite(model.fit(np.ones((4, 2)), targets, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="`algorithm` of recommend must be False with a cycle"):
        kr.recommend(1000, cycle=True, algorithm=True)
    assert kr.recommend(K, noise_rate=0.0, algorithm=True).algorithm is None


def test_the_cycle_of_the_bias_is_moved_to_the_number_of_classes():
    advice = kr.recommend(1000, cycle=True)
    first, again = advice.callbacks()[0], advice.callbacks()[0]
    assert first is not again
    values = [first.schedules["epsilon"](epoch, 100) for epoch in (0, 11, 55, 66)]
    start = theory.logit_bias(1000)
    assert values == pytest.approx([start, start - 0.4, start - 2.9, start])
    assert "moved by us" in advice.reason
    assert (advice.loss.epsilon, advice.l1) == (theory.logit_bias(1000), 0.0)
    assert f"epsilon = {start:.4f}" in advice.reason
    assert f"{theory.mean_error(advice.loss, 1000):.3f}" in advice.reason
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


# Who is cited -> the paper's name among recipes.
CITED = {text.partition(",")[0]: paper for paper, text in recipes.PAPERS.items()}
ADVICE = {
    "clean": {"num_classes": 100, "noise_rate": 0},
    "2": {"num_classes": 2},
    "10": {"num_classes": 10},
    "100": {"num_classes": 100},
    "345": {"num_classes": 345},
    "1000": {"num_classes": 1000},
    "cycle": {"num_classes": 1000, "cycle": True},
}


@pytest.mark.parametrize("arguments", ADVICE.values(), ids=ADVICE)
def test_every_accuracy_in_the_reasons_is_a_cell_of_the_table_that_is_cited(arguments):
    told = 0
    for text, source in kr.recommend(**arguments).claims:
        if accuracies := re.findall(r"\d+\.\d\d%", text):
            cited, table = source.split(", ")
            rows = recipes.find(paper=CITED[cited])
            cells = {f"{cell.value:.2f}%" for row in rows for cell in row.printed if cell.table == table and cell.value}
            assert set(accuracies) <= cells
            told += len(accuracies)
    assert told


def printed(*names):
    return [f"{recipes.get(name).expected.value:.2f}%" for name in names]


def test_accuracies_are_those_of_the_losses_that_are_named():
    for K, data in ((10, "cifar10"), (100, "cifar100")):
        names = [f"anl/{data}/symmetric:{rate}/{loss}" for loss in ("anl-ce", "ce") for rate in (0.4, 0.8)]
        assert re.findall(r"\d+\.\d\d%", kr.recommend(K).reason) == printed(*names)
        ours = recipes.get(names[0])
        assert (ours.build_loss().hyperparameters, ours.l1) == (
            kr.recommend(K).loss.hyperparameters,
            kr.recommend(K).l1,
        )
    names = [f"curriculum/cifar100/clean/{loss}" for loss in ("ce", "gce", "aul")]
    assert re.findall(r"\d+\.\d\d%", kr.recommend(100, noise_rate=0).reason) == printed(*names)
    names = [f"logit-bias/webvision/real/{loss}" for loss in ("gence+", "mae-star-star", "ce", "mae-star", "gence")]
    names += [f"logit-bias/cifar100/symmetric+true:0.4/{loss}" for loss in ("mae-star/epsilon=3.0", "ce")]
    accuracies = printed(*names)
    assert re.findall(r"\d+\.\d\d%", kr.recommend(1000).reason) == accuracies
    # What is recommended is what led.
    assert max(accuracies[:5], key=lambda text: float(text[:-1])) == accuracies[0]
    errors = [theory.mean_error(kr.ANLCE(alpha=10, beta=1), K) for K in (100, 1000)]
    assert re.findall(r"-0\.\d+(?= at)", kr.recommend(1000).reason) == [f"{error:.3g}" for error in errors]


def test_reasons_follow_the_data(monkeypatch):
    name = "logit-bias/webvision/real/gence+"
    cell = recipes.Cell(12.34, table="Table 3", metric="top-1")
    monkeypatch.setitem(BY_NAME, name, replace(recipes.get(name), printed=(cell,)))
    assert "reached 12.34%; MAE with" in kr.recommend(1000).reason
    monkeypatch.setitem(DEMO, "CE()", {0: DEMO["CE()"][0] | {"last": 0.5}})
    assert "cross entropy 50.0% and 97.4%" in kr.recommend(10).reason


def test_the_digits_are_quoted_as_the_page_has_them(request):
    page = (request.config.rootpath / "docs" / "how-to" / "compare.md").read_text()
    (claim,) = (claim.text for claim in kr.recommend(10).claims if "make demo" in claim.source)
    numbers = re.findall(r"(\d+\.\d)%", claim)
    assert len(numbers) == 4
    for line, told in (("ANLCE(alpha=…", numbers[:2]), ("CE()", numbers[2:])):
        (row,) = re.findall(rf"│ {re.escape(line)}.*", page)
        assert re.findall(r"(\d+\.\d) ±", row)[:2] == told


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
