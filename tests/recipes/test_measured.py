"""What is measured beside the accuracy: held-out images, and the success of a backdoor."""

import json

import keras
import numpy as np
import pytest
from harness import once
from rich.console import Console

from keras_robust import data, noise, recipes
from keras_robust.diagnostics import WeightLog
from keras_robust.noise import NoisyLabels
from keras_robust.recipes.scales import SCALES, task
from keras_robust.training.folder import read_history

QUIET = Console(quiet=True)
#: On PyTorch and JAX.
MINE = recipes.Recipe(
    paper=None, dataset="digits", label="mine", loss="GCE()", network="cnn2", source="a test", noise="pair:0.2",
    epochs=4, batch_size=8, learning_rate=0.01, schedule="constant", momentum=0.9, weight_decay=0,
)  # fmt: skip
KEPT_BACK = {"validation": 0.25, "validation_labels": "noisy"}
TRIGGERED = {"noise": None, "backdoor": "local", "poisoned": 40, "target": 3}


def held_out_accuracy(folder, labels):
    """By the saved model, on the positions that the folder names."""
    arrays = data.load_arrays("digits")
    positions = np.load(folder / "held_out.npy")
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    predicted = np.argmax(model.predict(arrays.x_train[positions], verbose=0), axis=-1)
    return np.mean(predicted == labels[positions]), positions


@once
@pytest.mark.parametrize("whose", ["noisy", "clean"])
def test_held_out_images_are_validated_on_and_not_trained_on(whose, tmp_path):
    changes = KEPT_BACK | {"validation_labels": whose}
    report = recipes.run(MINE, [5], scale="quick", folder=tmp_path, changes=changes, console=QUIET)
    folder, result = tmp_path / "seed-5", report.results[5]
    labels = NoisyLabels.load(folder / "labels.npz")
    accuracy, positions = held_out_accuracy(folder, getattr(labels, whose))
    assert result["validation"] == pytest.approx(accuracy)
    np.testing.assert_array_equal(positions, data.held_out(1438, 0.25, seed=5, fraction=0.1))
    assert len(positions) == 36
    seen = np.flatnonzero(WeightLog(folder / "weights").labels >= 0)
    assert len(seen) == 144 - 36
    assert not np.isin(seen, positions).any()
    assert result["wrong"] == pytest.approx(labels.mask[seen].mean())
    (row,) = read_history(folder / "history.csv")
    assert result["validation"] == row["held_out_accuracy"]
    assert result["chosen"] == result["last"] == row["val_accuracy"]
    assert [str(column.header) for column in report.table(140).columns][-2:] == [
        *("held out,\nlast\nepoch", "test at\nbest on\nheld out"),
    ]


@once
def test_a_data_set_from_its_pipeline(tmp_path):
    """Images of a batch and not of the digits: normalized for validation as for the test, and not augmented."""
    recipe = recipes.get("anl/cifar10/symmetric:0.4/ce").changed(network="mlp1024", **KEPT_BACK)
    small = SCALES["smoke"].shortened(recipe)
    learned = task(small, SCALES["smoke"], seed=2)
    arrays = data.generated("cifar10", 16, 8)
    assert learned.held_out.tolist() == data.held_out(16, 0.25, seed=2).tolist()
    trained_on = np.concatenate([targets["index"].numpy() for _, targets in learned.train["x"]])
    assert sorted([*trained_on, *learned.held_out]) == list(range(16))
    plain = data.load("cifar10", "symmetric:0", 16, augment=False, provenance=True, arrays=arrays)
    ((images, targets),) = plain.train
    wanted = images.numpy()[np.argsort(targets["index"])][learned.held_out]

    class Echo:
        def predict_on_batch(self, x):
            np.testing.assert_allclose(x, wanted, atol=1e-6)
            return np.eye(10)[learned.labels.noisy[learned.held_out]]

    (probe,) = learned.probes
    assert probe.measure(Echo()) == 1.0


@once
@pytest.mark.parametrize("trigger", ["local", "global"])
def test_a_backdoor_is_trained_and_measured(trigger, tmp_path):
    changes = TRIGGERED | {"backdoor": trigger}
    report = recipes.run(MINE, [5], scale="full", folder=tmp_path, changes=changes | {"epochs": 2}, console=QUIET)
    folder, result = tmp_path / "seed-5", report.results[5]
    arrays, labels = data.load_arrays("digits"), NoisyLabels.load(folder / "labels.npz")
    _, drawn, positions = noise.backdoor(arrays.x_train, arrays.y_train, 3, trigger, 40, seed=5)
    np.testing.assert_array_equal(labels.noisy, drawn.noisy)
    np.testing.assert_array_equal(np.flatnonzero(labels.mask), positions)
    assert result["wrong"] == pytest.approx(40 / 1438)
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    before, after = (
        np.argmax(model.predict(x, verbose=0), axis=-1)
        for x in (arrays.x_test, noise.add_trigger(arrays.x_test, trigger))
    )
    # Test images stay clean, and what the model takes for a 3 anyway is left out.
    assert result["last"] == pytest.approx(np.mean(before == arrays.y_test))
    assert result["attack"] == pytest.approx(np.mean(after[before != 3] == 3))
    assert report.table(140).columns[-1].header == "attack\nsuccess"
    assert json.loads((tmp_path / "results.json").read_text())["results"]["5"]["attack"] == result["attack"]


@once
def test_the_network_sees_the_trigger_in_training():
    learned = task(MINE.changed(**TRIGGERED), SCALES["full"], seed=5)
    arrays = data.load_arrays("digits")
    images, _, positions = noise.backdoor(arrays.x_train, arrays.y_train, 3, "local", 40, seed=5)
    np.testing.assert_array_equal(learned.train["x"].columns[0], images)
    assert np.all(learned.train["x"].columns[1]["label"][positions] == 3)


@once
def test_a_row_of_the_paper_is_rehearsed(tmp_path):
    recipe = recipes.get("dal/cifar10/backdoor:global/dal")
    report = recipes.run(recipe, folder=tmp_path, scale="smoke", changes={"network": "cnn4"}, console=QUIET)
    (history,) = read_history(tmp_path / "seed-0" / "history.csv")
    assert "attack_success_rate" in history
    paper = report.rows()[-1]
    assert (paper["last"], paper["attack"]) == (pytest.approx(0.9233), pytest.approx(0.2950))


@once
def test_both_resume_with_the_same_images():
    """What a resumed run is measured on is drawn from its seed, not from where it stopped."""
    recipe = MINE.changed(**TRIGGERED, **KEPT_BACK)
    first, again = (task(recipe, SCALES["quick"], 5, first_epoch=epoch) for epoch in (0, 3))
    np.testing.assert_array_equal(first.held_out, again.held_out)
    np.testing.assert_array_equal(first.train["x"].columns[0], again.train["x"].columns[0])
    other = task(recipe, SCALES["quick"], 6)
    assert first.held_out.tolist() != other.held_out.tolist()


@once
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backdoor": "local"}, "`backdoor` of Recipe must be None where labels are wrong in other ways"),
        ({"noise": None, "backdoor": "local"}, "`poisoned` of Recipe must be a number with a backdoor, None without"),
        ({"target": 3}, "`target` of Recipe must be a number with a backdoor, None without. Received: target=3"),
        (TRIGGERED | {"target": 10}, "`target` of Recipe must be a class of digits, less than 10. Received: target=10"),
        (TRIGGERED | {"poisoned": 0}, "`poisoned` of Recipe must be a whole number, at least 1"),
        (KEPT_BACK | {"validation": 0.001}, "`share` of held_out must be a share of 144 training samples that is one"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        recipes.run(MINE, scale="quick", changes=changes, folder=tmp_path / "run", console=QUIET)


@once
def test_nobody_can_validate_on_true_labels_that_are_unknown():
    with pytest.raises(ValueError, match='`validation_labels` of Recipe must be "noisy" for animal10n'):
        recipes.find(dataset="animal10n")[0].changed(validation=0.1, validation_labels="clean")
