"""A run trained again on corrected labels."""

import numpy as np
import pytest
from harness import once
from rich.console import Console

from keras_robust import cli, diagnostics, recipes
from keras_robust.noise import NoisyLabels
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once

NAME = "anl/mnist/symmetric:0.8/anl-ce"
QUIET = Console(quiet=True)


def test_a_run_is_trained_again_without_its_wrong_labels(tmp_path, capsys):
    recipes.run(NAME, scale="smoke", folder=tmp_path / "run", console=QUIET)
    run = diagnostics.open_run(tmp_path / "run")
    labels = NoisyLabels.load(run.folder / "labels.npz")
    wrong = np.flatnonzero(labels.mask)
    fixed, dropped = wrong[:-2], wrong[-2:]
    decided = diagnostics.Corrections(
        wrong, labels.noisy[wrong], labels.clean[wrong], ["fix"] * len(fixed) + ["drop"] * len(dropped)
    )
    file = decided.write(tmp_path / "corrections.csv")
    assert cli.main(["retrain", str(tmp_path / "run"), "--corrections", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "wrong labels trained on" in printed
    after = diagnostics.open_run(run.folder / "retrained")
    expected = labels.clean.copy()
    expected[dropped] = -1  # not trained on
    np.testing.assert_array_equal(after.log.labels, expected)
    told = (after.folder / "noise.txt").read_text().splitlines()[0]
    assert told.startswith(f"noise       labels corrected by decisions about suspects: {len(labels.noisy)} labels, ")
    assert told.endswith("2 dropped; before that symmetric:0.8")
    found = recipes.retrain(run.folder, file, console=QUIET)  # what is done is read
    assert (found.before["wrong"], found.after["wrong"]) == (labels.rate, 0.0)
    assert found.after["last"] == after.accuracy[-1]
    assert found.corrected.drop.sum() == 2

    # The new run can be corrected again; what was left out stays so.
    sample = int(fixed[0])
    again = diagnostics.Corrections([sample], [labels.clean[sample]], [labels.clean[sample]], ["drop"])
    twice = recipes.retrain(after.folder, again, console=QUIET)
    assert np.flatnonzero(twice.corrected.drop).tolist() == sorted([sample, *dropped.tolist()])
    with pytest.raises(FileExistsError, match="holds a run with other settings .*corrections"):
        recipes.retrain(run.folder, again_of(labels, sample), console=QUIET)
    with pytest.raises(ValueError, match="of another data set"):
        recipes.retrain(run.folder, again_of(labels, sample, given=labels.clean[sample]), console=QUIET)
    everything = np.arange(len(labels.noisy))
    for decided, words in (
        (diagnostics.Corrections([sample], labels.noisy[[sample]], [10], ["fix"]), "must be class ids below 10"),
        (
            diagnostics.Corrections(everything, labels.noisy, labels.noisy, ["drop"] * len(everything)),
            "`corrections` of retrain must be such that some samples are left",
        ),
        (3, "`corrections` of Corrections must be Corrections, or the path"),
    ):
        with pytest.raises(ValueError, match=words):
            recipes.retrain(run.folder, decided, name="new", console=QUIET)
    assert not (run.folder / "new").exists()  # the right ones are taken there
    with pytest.raises(ValueError, match="`name` of retrain must be the name of a new folder"):
        recipes.retrain(run.folder, file, name="../elsewhere", console=QUIET)


def again_of(labels, sample, given=None):
    given = labels.noisy[sample] if given is None else given
    return diagnostics.Corrections([sample], [given], [given], ["drop"])


def test_what_the_runner_did_not_train_is_refused(tmp_path):
    write_epoch(tmp_path, 0, np.zeros(3, RECORD))
    decided = diagnostics.Corrections([], [], [], [])
    with pytest.raises(ValueError, match="`folder` of retrain must be one that `keras-robust run` or `compare`"):
        recipes.retrain(tmp_path, decided, console=QUIET)
