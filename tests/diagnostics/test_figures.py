"""The papers' figures: all of them are known, and those without training show what theory says."""

import csv
import pathlib
import sys

import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust import cli, recipes, theory
from keras_robust.diagnostics import figures
from keras_robust.diagnostics.figures import curriculum, fresh, logit_bias, schema

pytestmark = once

with open(pathlib.Path(__file__).with_name("figures.csv"), newline="") as file:
    PRINTED = [
        f"{row['paper']}/{row['figure'].replace('Appendix Figure ', 'appendix-').replace('Figure ', '')}"
        for row in csv.DictReader(file)
    ]
DRAWN = [name for name, figure in figures.FIGURES.items() if figure.drawing]
NEW_NETWORKS = ("curriculum/6", "logit-bias/appendix-2")


def whole(figure, tmp_path):
    """Draws the figure to a file, with nothing of it cut off."""
    figure.savefig(tmp_path / "figure.png")
    inside, width, height = figure.get_tightbbox(), *figure.get_size_inches()
    assert min(inside.x0, inside.y0, width - inside.x1, height - inside.y1) >= -0.05


def test_every_figure_of_the_papers_is_known():
    assert sorted(figures.FIGURES) == sorted(PRINTED)
    assert len(figures.FIGURES) == 36
    assert set(schema.PAPERS) == set(recipes.PAPERS) - {"cifar-n"}
    for name, paper in schema.PAPERS.items():
        assert recipes.PAPERS[name].startswith(f"{paper},")
    assert figures.FIGURES["logit-bias/appendix-1"].reference == "Staats et al. 2023, appendix, Fig. 1"
    assert figures.FIGURES["dal/2"].reference == "Li et al. 2023, Fig. 2"


def test_what_needs_no_training_is_drawn():
    assert sorted(DRAWN) == sorted(
        [f"curriculum/{n}" for n in (2, 5, 6, 7, 8)]
        + [f"logit-bias/{n}" for n in (1, 2, 3)]
        + [f"logit-bias/appendix-{n}" for n in (1, 2, 3, 4)]
        + ["dal/2", "dal/5", "anl/1"]
    )
    for figure in figures.FIGURES.values():
        assert figure.caption
        assert "\n" not in figure.caption


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in NEW_NETWORKS])
def test_figures_are_drawn_whole(name, tmp_path, monkeypatch):
    monkeypatch.setattr(logit_bias, "_Z", np.linspace(-4.0, 12.0, 5))
    whole(figures.figure(name, tmp_path), tmp_path) if name == "dal/5" else whole(figures.figure(name), tmp_path)


def test_figures_of_new_networks(tmp_path, monkeypatch):
    """With small networks in place of ResNets, and images that are not at hand."""
    monkeypatch.setattr(logit_bias.models, "resnet34", kr.models.mlp1024)
    monkeypatch.setattr(curriculum.models, "cnn8", kr.models.mlp1024)
    for figure in (
        logit_bias.logits_of_new_networks(tmp_path, 1, 1),
        curriculum.margins_at_initialization(tmp_path, 1),
    ):
        assert [ax.get_title().split(" ", 1)[1] for ax in figure.axes] == [
            f"generated images of the shape of {name}" for name in ("cifar10", "cifar100")
        ]
        whole(figure, tmp_path)


def test_new_networks_are_new():
    images, labels, what = fresh.first_images("digits", 30)
    assert what == "the first 30 images of digits"
    assert abs(images.mean()) < 1e-5
    assert images.std() == pytest.approx(1.0, abs=1e-5)
    logits = fresh.fresh_logits(kr.models.mlp1024, images, 10, networks=2)
    assert logits.shape == (2, 30, 10)
    assert not np.allclose(logits[0], logits[1])
    margins = fresh.label_margins(logits, labels)
    p = np.exp(logits[1]) / np.exp(logits[1]).sum(axis=1, keepdims=True)
    label = p[np.arange(30), labels]
    np.testing.assert_allclose(margins[1], np.log(label / (1 - label)), rtol=1e-3, atol=1e-4)


def test_numbers_of_the_figures():
    lines = figures.figure("curriculum/7").axes[0].lines
    peaks = {line.get_label(): line.get_xdata()[np.argmax(line.get_ydata())] for line in lines}
    # Moved to the left by |E margin| - tau; stretched in place.
    shift = abs(theory.expected_margin(100)) - 2.717
    assert peaks == pytest.approx({"MAE": 0.0, "MAE shift": -shift, "MAE scale": 0.0}, abs=0.1)
    curves = figures.figure("logit-bias/3").axes[0].lines
    at_zero = [np.interp(0.0, *line.get_data()) for line in curves[:3]]
    assert at_zero[0] == pytest.approx(at_zero[2], rel=0.02)
    assert at_zero[1] > 0.3 * at_zero[0]
    q_and_a, weights = (ax for ax in figures.figure("logit-bias/appendix-4").axes if ax.get_xlabel())
    assert (q_and_a.get_xlabel(), q_and_a.get_ylabel()) == ("q", "a")
    assert (weights.get_xlabel(), weights.get_ylabel()) == ("alpha", "beta")
    for ax in (q_and_a, weights):  # the choice lies close to the line of equal height
        chosen = ax.lines[-1].get_xydata()[0]
        line = np.concatenate([path.vertices for path in ax.collections[1].get_paths()])
        assert np.abs(np.log(line / chosen)).sum(axis=1).min() < 0.2


def test_triggers_are_shown_on_what_is_at_hand(tmp_path, monkeypatch):
    assert figures.figure("dal/5", tmp_path).axes[0].get_title() == "images of digits"
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    figure = figures.figure("dal/5", tmp_path)
    assert figure.axes[0].get_title() == "generated images"
    first, local, last = (np.asarray(figure.axes[0].images[place].get_array()) for place in (0, 6, 12))
    assert np.argwhere(first != local).min(axis=0)[:2].tolist() == [29, 29]
    assert (first != last).mean() > 0.9


def test_figures_of_training_say_who_draws_them():
    with pytest.raises(ValueError, match=r"dal/4 shows training: `recipes.figures.draw_figure\('dal/4', runs\)`"):
        figures.figure("dal/4")


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["figure"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(figures.FIGURES)
    assert cli.main(["figure", "anl/1"]) == 0
    assert capsys.readouterr().out == "Written to runs/anl-1.png\n"
    assert cli.main(["figure", "anl/1", "--out", "flip.png"]) == 0
    assert (tmp_path / "flip.png").read_bytes() != b""
    for arguments, words in (
        (["dal/9"], "`name` of figure"),
        (["anl/4"], "anl/4 is not drawn: it needs all probabilities"),
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["figure", *arguments])
        assert words in capsys.readouterr().err
