"""Numbers that a log or a History gives, on logs whose numbers are known."""

import keras
import numpy as np
import pytest

import keras_robust
from keras_robust import diagnostics
from keras_robust.weight_log import RECORD, write_epoch


def test_memorization_of_a_run_and_a_log(run_folder):
    run = diagnostics.open_run(run_folder)
    curves = diagnostics.memorization_curves(run)
    assert curves["clean test labels"].values.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.9])
    assert curves["wrong labels, memorized"].values.tolist() == [1, 0, 0, 0]
    assert curves["wrong labels, corrected"].values.tolist() == [0, 1, 1, 1]
    assert curves["clean training labels"].values.tolist() == [1, 1, 1, 1]
    assert all(curve.epochs.tolist() == [1, 2, 3, 4] for curve in curves.values())
    assert sorted(diagnostics.memorization_curves(run.log)) == sorted(set(curves) - {"clean test labels"})


def test_memorization_of_a_history():
    history = keras.callbacks.History()
    history.history = {"loss": [1.0, 2.0], "corrected_share": [0.2, 0.3]}
    (curve,) = diagnostics.memorization_curves(history).values()
    assert curve.values.tolist() == [0.2, 0.3]
    with pytest.raises(ValueError, match="Nothing is known of what became of wrong labels"):
        diagnostics.memorization_curves({"loss": [1.0]})
    with pytest.raises(ValueError, match="`source` of memorization_curves must be a WeightLog, an opened run"):
        diagnostics.memorization_curves([1.0])


def test_effective_rate(run_folder):
    run = diagnostics.open_run(run_folder)
    assert diagnostics.effective_rate(run).tolist() == pytest.approx([0.025, 0.0125, 0.025 / 3, 0.00625])
    np.testing.assert_array_equal(diagnostics.effective_rate(run.log), run.log.alpha())
    assert diagnostics.effective_rate({"learning_rate": [2.0], "weight_wrong": [0.25]}).tolist() == [0.5]
    with pytest.raises(ValueError, match="It holds: loss"):
        diagnostics.effective_rate({"loss": [1.0]})


def test_the_cumulative_rate_weighs_batches_by_their_size(tmp_path):
    """Two epochs of two steps: three samples and one, of which one was ignored in the second epoch."""
    records = np.zeros(4, RECORD)
    records["step"], records["learning_rate"] = [0, 0, 0, 1], 0.5
    records["weight"] = [0.2, 0.4, 0.6, 0.8]
    write_epoch(tmp_path, 0, records)
    records["step"], records["learning_rate"] = [2, 2, 2, 3], 0.25
    records["label"][0] = -1
    write_epoch(tmp_path, 1, records)
    log = diagnostics.WeightLog(tmp_path)
    sums = np.cumsum([0.5 * 1.2, 0.5 * 0.8, 0.25 * 1.0, 0.25 * 0.8])
    np.testing.assert_allclose(log.alpha(cumulative=True), sums / [3, 4, 6, 7], rtol=1e-6)
    np.testing.assert_allclose(log.alpha(), [0.2, 0.4, 0.125, 0.2], rtol=1e-6)
    np.testing.assert_array_equal(diagnostics.effective_rate(log, cumulative=True), log.alpha(cumulative=True))
    history = {"learning_rate": [1.0, 0.5], "weight_clean": [0.4, 0.4]}
    np.testing.assert_allclose(diagnostics.effective_rate(history, cumulative=True), [0.4, 0.3])


def test_gradients_of_nnce_are_those_of_the_loss():
    """By finite differences in one probability alone, the formula being defined off the simplex too."""
    rng = np.random.default_rng(0)
    p, labels, p_min = rng.dirichlet(np.full(5, 0.5), 20), rng.integers(0, 5, 20), 1e-3

    def loss(q):
        values = np.log(np.maximum(q, p_min)) - np.log(p_min)
        return 1.0 - np.take_along_axis(values, labels[:, None], axis=1)[:, 0] / values.sum(axis=1)

    step = 1e-7
    slopes = np.stack([(loss(p + step * e) - loss(p - step * e)) / (2 * step) for e in np.eye(5)], axis=1)
    slopes[np.arange(20), labels] = -np.inf
    np.testing.assert_allclose(diagnostics.nnce_gradients(p, labels, p_min), slopes.max(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(loss(p), keras_robust.NNCE(p_min=p_min, reduction="none")(labels, p), rtol=1e-4)
    with pytest.raises(ValueError, match="`predictions` of nnce_gradients must be probabilities"):
        diagnostics.nnce_gradients(p, labels[:3])


def test_margins_of_clean_and_wrong_labels(run_folder, comparison_folder):
    run = diagnostics.open_run(run_folder)
    found = diagnostics.margin_histograms(run.log, epochs=[0, 3], bins=20)
    assert found.epochs == [0, 3]
    assert found.counts["clean"].shape == (2, 20)
    middle = 0.5 * (found.edges[1:] + found.edges[:-1])
    assert (found.counts["wrong"].sum(axis=1) == run.log.wrong.sum()).all()
    assert found.counts["wrong"][:, middle > 0].sum() == 0
    assert found.counts["clean"][:, middle < 0].sum() == 0
    assert found.counts["clean"][1] @ middle / found.counts["clean"][1].sum() == pytest.approx(5.5, abs=0.2)
    assert diagnostics.margin_histograms(run.log).epochs == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="`epoch` of WeightLog must be one of the logged epochs"):
        diagnostics.margin_histograms(run.log, epochs=[7])


def test_margins_where_no_clean_label_is_known(tmp_path):
    records = np.zeros(3, RECORD)
    records["margin"], records["label"], records["clean"] = [1.0, 2.0, np.nan], [0, 0, -1], -1
    write_epoch(tmp_path, 0, records)
    found = diagnostics.margin_histograms(diagnostics.WeightLog(tmp_path), bins=2)
    assert found.counts["all"].tolist() == [[1, 1]]
    assert list(found.counts) == ["all"]


def test_estimated_noise_is_the_realized_one(run_folder, digit_labels):
    log = diagnostics.open_run(run_folder).log
    np.testing.assert_array_equal(diagnostics.believed_labels(log), digit_labels.clean)
    found = diagnostics.estimated_transition(log)
    np.testing.assert_allclose(found.transition, digit_labels.transition)
    assert found.rate == pytest.approx(digit_labels.rate)
    wider = diagnostics.estimated_transition(log, 12).transition
    np.testing.assert_array_equal(wider[10:, 10:], np.eye(2))
    with pytest.raises(ValueError, match="`num_classes` of estimated_transition must be at least 10, the classes"):
        diagnostics.estimated_transition(log, 4)


def test_agreement_with_cleanlab(run_folder, digit_labels):
    log, rng = diagnostics.open_run(run_folder).log, np.random.default_rng(0)
    logits = 3.0 * np.eye(10)[digit_labels.clean] + rng.normal(size=(1438, 10))
    pred_probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = diagnostics.cleanlab_agreement(log, pred_probs)
    assert found.flagged == pytest.approx(digit_labels.mask.sum(), rel=0.15)
    assert found.overlap > 0.9
    assert 0.5 < found.rank_correlation < 1.0
    against = diagnostics.cleanlab_agreement(log, np.full((1438, 10), 0.1))
    assert against.flagged == 0
    assert np.isnan(against.overlap)
    with pytest.raises(
        ValueError, match=r"`pred_probs` of cleanlab_agreement must be probabilities of shape \(1438, K\)"
    ):
        diagnostics.cleanlab_agreement(log, pred_probs[:5])
    with pytest.raises(ValueError, match="rows summing to 1"):
        diagnostics.cleanlab_agreement(log, 2 * pred_probs)


def test_agreement_needs_cleanlab(run_folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[cleanlab\]' in the clone"):
        diagnostics.cleanlab_agreement(diagnostics.open_run(run_folder).log, np.full((1438, 10), 0.1))
