"""Pictures of losses and of runs, and the command that draws them."""

import numpy as np
import pytest
from harness import assert_refused_in_one_line

import keras_robust as kr
from keras_robust import cli, diagnostics
from keras_robust.diagnostics import pictures


def drawn(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_weights():
    losses = {"CE()": kr.CE(), "MAE()": kr.MAE()}
    ax = pictures.weights(losses, K=100).axes[0]
    margins = ax.lines[0].get_xdata()
    np.testing.assert_allclose(ax.lines[1].get_ydata(), kr.theory.weight_curve(kr.MAE(), margins))
    assert margins[0] < kr.theory.expected_margin(100) - 3.0
    assert ax.get_title() == "100 classes"
    ax = pictures.weights(losses, K=100, unit=True).axes[0]
    assert [line.get_ydata().max() for line in ax.lines] == [1.0, 1.0]


def test_errors_by_number_of_classes():
    figure = pictures.errors({"MAE()": kr.MAE(), "MAEStar()": kr.MAEStar()}, (10, 100))
    first, last = figure.axes[:2]
    z = first.lines[0].get_xdata()
    np.testing.assert_allclose(last.lines[0].get_ydata(), kr.theory.mean_error(kr.MAE(), 100, z))
    assert (first.get_title(), last.get_title()) == ("K = 10", "K = 100")
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["MAE()", "MAEStar()"]
    with pytest.raises(ValueError, match="`classes` of errors must be at least one"):
        pictures.errors({"MAE()": kr.MAE()}, ())


def test_bias():
    ax = pictures.bias((0.15, 0.3), (10, 100)).axes[0]
    np.testing.assert_allclose(ax.lines[-2].get_ydata(), [0.5246, 3.0341], atol=5e-5)


def test_a_runs_pictures_show_its_numbers(run_folder):
    run = diagnostics.open_run(run_folder)
    assert [ax.get_title(loc="left") for ax in pictures.margins(run, [1, 4]).axes] == ["epoch 1", "epoch 4"]
    ax = pictures.memorization(run).axes[0]
    assert ax.get_title() == "digits, pair:0.3, GCE()"
    assert len(ax.lines) == 4
    ax = pictures.transition(run).axes[0]
    np.testing.assert_allclose(ax.images[0].get_array(), diagnostics.estimated_transition(run.log).transition)
    assert "% of the labels are wrong" in ax.get_title()
    assert ax.get_ylabel() == "label that the model believes"


def test_effective_rates_of_several_logs(comparison_folder):
    runs = [diagnostics.open_run(comparison_folder, name) for name in diagnostics.log_names(comparison_folder)]
    ax = pictures.alpha(runs).axes[0]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == diagnostics.log_names(comparison_folder)
    assert names[0] == "ANLCE-alpha-5-beta-5-seed0"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), runs[0].log.alpha())


@pytest.mark.parametrize("picture", ["margins", "memorization", "transition", "alpha"])
def test_command_on_a_run(picture, run_folder, capsys):
    assert cli.main(["plot", picture, str(run_folder)]) == 0
    assert capsys.readouterr().out == f"Written to {run_folder / picture}.png\n"
    assert drawn(run_folder / f"{picture}.png")


def test_command_on_losses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main("plot weights --losses CE MAE GCE AGCE --classes 100".split()) == 0
    assert capsys.readouterr().out == "Written to runs/weights.png\n"
    assert drawn(tmp_path / "runs" / "weights.png")
    assert cli.main("plot errors --losses MAE GCE(q=0.5) --classes 10 100 --out new/errors.png".split()) == 0
    assert drawn(tmp_path / "new" / "errors.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("plot weights --losses XCE", "Known losses"),
        ("plot weights --classes 1", "`K` of initial_margins must be"),
        ("plot bias --activations 2", "`activation` of logit_bias must be"),
        ("plot memorization nowhere", "There is no folder nowhere"),
        ("plot margins RUN --epochs 9", "must be logged epochs, counted from 1: [1, 2, 3, 4]"),
        ("plot margins COMPARISON", "holds several runs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, words, run_folder, comparison_folder, capsys):
    places = {"RUN": str(run_folder), "COMPARISON": str(comparison_folder)}
    assert_refused_in_one_line([places.get(word, word) for word in arguments.split()], words, capsys)
