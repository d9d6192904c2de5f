"""Pictures are drawn from arrays and say what they show."""

import numpy as np
import pytest
from harness import once

from keras_robust import theory
from keras_robust.diagnostics import plots

pytestmark = once


def rendered(ax, tmp_path):
    """Draws the whole picture to a file, with nothing of it cut off."""
    figure = ax.figure
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    inside, width, height = figure.get_tightbbox(), *figure.get_size_inches()
    assert inside.x0 >= -0.05
    assert inside.y0 >= -0.05
    assert inside.x1 <= width + 0.05
    assert inside.y1 <= height + 0.05


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_accuracy_curves(tmp_path):
    curves = {"CE": np.array([[0.5, 0.8, 0.7], [0.4, 0.9, 0.6]]), "ANLCE": np.array([0.5, 0.9, 0.95])}
    ax = plots.accuracy_curves(curves, title="digits")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [45.0, 85.0, 65.0])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [50.0, 90.0, 95.0])
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CE", "ANLCE"]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel().endswith("(%)")
    rendered(ax, tmp_path)
    assert plots.accuracy_curves({"GCE": [0.1, 0.2]}, ax=ax) is ax


def test_a_transition_matrix_shows_its_per_cents(tmp_path):
    T = np.array([[0.7, 0.3], [0.0, 1.0]])
    ax = plots.transition_matrix(T, ["cat", "dog"], title="pets")
    assert {text.get_text() for text in ax.texts} == {"70.0", "30.0", "100.0"}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["cat", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("given label", "clean label", "pets")
    np.testing.assert_array_equal(ax.images[0].get_array(), T)
    rendered(ax, tmp_path)
    assert len(plots.transition_matrix(np.eye(100)).texts) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_contact_sheet_shows_every_picture_with_its_caption(channels, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (13, 8, 8, channels)).astype("uint8")
    ax = plots.contact_sheet(images, [f"picture {i}" for i in range(13)], columns=5)
    assert len(ax.images) == 13
    assert [text.get_text() for text in ax.texts] == [f"picture {i}" for i in range(13)]
    for drawn, image in zip(ax.images, images, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), image[..., 0] if channels == 1 else image)
    corners = [drawn.get_extent() for drawn in ax.images]
    assert len({(left, top) for left, _, _, top in corners}) == 13
    rendered(ax, tmp_path)
    with pytest.raises(ValueError, match="shorter"):
        plots.contact_sheet(images, ["one"])


LEVELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3)).astype("uint8")
SCALES = {
    "uint8": (LEVELS, LEVELS),
    "int64": (LEVELS.astype("int64"), LEVELS),
    "of image_dataset_from_directory": (LEVELS.astype("float32"), LEVELS / 255),
    "resized, with rounding": (LEVELS.astype("float32") * np.float32(1.00001), LEVELS / 255),
    "half": ((LEVELS // 4 * 4).astype("float16"), LEVELS // 4 * 4 / 255),
    "shares": (LEVELS / 255, LEVELS / 255),
    "shares, float32 with rounding": ((LEVELS / 255).astype("float32") + np.float32(1e-6), LEVELS / 255),
    "black": (np.zeros((6, 4, 5, 3)), np.zeros((6, 4, 5, 3))),
    "bool": (LEVELS > 100, 1.0 * (LEVELS > 100)),
    "dark, read off all": (LEVELS * (np.arange(6) == 0)[:, None, None, None] * 1.0, None),
}


@pytest.mark.parametrize("scale", SCALES)
def test_images_are_drawn_on_the_scale_they_are_on(scale):
    images, expected = SCALES[scale]
    ax = plots.contact_sheet(images, [""] * 6)
    white = 255.0 if images.dtype.kind in "iu" else 1.0
    expected = np.asarray(images / 255 if expected is None else expected) / white
    for drawn, image in zip(ax.images, expected, strict=True):
        assert drawn.get_clim() == (0, white)
        np.testing.assert_allclose(drawn.get_array() / white, image, atol=2e-3 if scale == "half" else 1e-4)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (LEVELS / 127.5 - 1, "float64 from -1 to 1"),
        ((LEVELS - 120.0) / 60, "float64 from -2 to 2.25"),
        (LEVELS * 1.5, "float64 from 0 to 382.5"),
        (LEVELS // 16 / 1.0, "float64 from 0 to 15"),
        (LEVELS / 200, "float64 from 0 to 1.275"),
        (LEVELS.astype("int64") - 1, "int64 from -1 to 254"),
        (LEVELS.astype("uint16") * 257, "uint16 from 0 to 65535"),
        (LEVELS.astype("int64") // 128, "int64 from 0 to 1"),
        (np.where(LEVELS == 0, np.nan, LEVELS), "float64 from nan to nan"),
        (np.full((6, 4, 5, 3), "black"), "<U5"),
        (LEVELS.transpose(0, 3, 1, 2), "shape .6, 3, 4, 5."),
        ([LEVELS[0], LEVELS[1, :2]], "2 images"),
        (LEVELS[..., :2], "shape .6, 4, 5, 2."),
        (LEVELS[0, 0], "shape .5, 3."),
    ],
)
def test_images_on_no_scale_are_refused(images, received):
    with pytest.raises(ValueError, match=rf"`images` of contact_sheet must be .*Received: images='{received}'"):
        plots.contact_sheet(images, [""] * len(images))


def test_weight_curves_lie_over_the_initial_margins(tmp_path):
    margins = np.linspace(-8.0, 8.0, 33)
    weights = {"CE": 1.0 / (1.0 + np.exp(margins)), "MAE": np.exp(-(margins**2))}
    ax = plots.weight_curves(margins, weights, theory.initial_margins(10), title="10 classes")
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), weights["MAE"])
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert texts(ax.get_legend()) == ["CE", "MAE", "at initialization (density)"]
    assert ax.get_xlabel().startswith("logit margin of the label")
    assert ax.get_ylabel().startswith("implicit weight")
    (area,) = ax.figure.axes[1].collections
    highest = area.get_paths()[0].vertices[np.argmax(area.get_paths()[0].vertices[:, 1])]
    assert highest[0] == pytest.approx(theory.expected_margin(10, exact=True), abs=0.2)
    rendered(ax, tmp_path)
    measured = plots.weight_curves(margins, weights, np.random.default_rng(0).normal(-2.0, 1.0, 500))
    assert texts(measured.get_legend())[-1] == "at initialization (samples)"
    assert texts(plots.weight_curves(margins, weights).get_legend()) == ["CE", "MAE"]


def test_weight_curves_over_several_starts(tmp_path):
    margins = np.linspace(-8.0, 8.0, 33)
    starts = {"few": theory.initial_margins(10), "measured": np.random.default_rng(0).normal(-5.0, 1.0, 500)}
    ax = plots.weight_curves(margins, {"MAE": np.exp(-(margins**2))}, starts)
    assert texts(ax.get_legend()) == ["MAE", "few (density)", "measured (samples)"]
    first, second = (each.collections[0] for each in ax.figure.axes[1:])
    assert not np.array_equal(first.get_facecolor(), second.get_facecolor())
    plots.legend_below(ax)
    assert texts(ax.get_legend()) == ["MAE", "few (density)", "measured (samples)"]
    rendered(ax, tmp_path)


def test_posterior_gradients(tmp_path):
    p = np.linspace(0.1, 1.0, 10)
    ax = plots.posterior_gradients(p, {"CE": 1 / p, "MAE": np.ones(10)}, title="two losses")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), 1 / p)
    assert ax.get_xlim() == (0.0, 1.0)
    assert ax.get_ylim()[0] == 0.0
    assert texts(ax.get_legend()) == ["CE", "MAE"]
    rendered(ax, tmp_path)


def test_logits_are_shifted_by_the_bias(tmp_path):
    z, logits = np.linspace(-4.0, 10.0, 15), np.random.default_rng(0).normal(size=(200, 10))
    ax = plots.shifted_logits(z, {"MAE": -np.exp(-(z**2))}, logits, epsilon=3.0)
    assert texts(ax.get_legend()) == ["MAE", "logits", "logits + 3"]
    as_they_are, shifted = (each.collections[0].get_paths()[0].vertices for each in ax.figure.axes[1:])
    np.testing.assert_allclose(shifted - as_they_are, [[3.0, 0.0]] * len(shifted), atol=1e-12)
    rendered(ax, tmp_path)


def test_a_landscape_has_its_first_parameter_across(tmp_path):
    heights = -np.arange(6.0).reshape(3, 2)
    ax = plots.landscape(
        {"q": [0.1, 1.0, 10.0], "a": [1.0, 2.0]}, heights, level=-2.5, chosen=(1.0, 2.0), title="K = 10"
    )
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("q", "a", "K = 10")
    np.testing.assert_array_equal(ax.collections[0].get_array(), heights.T)
    assert ax.lines[-1].get_xydata().tolist() == [[1.0, 2.0]]
    rendered(ax, tmp_path)


def test_gradient_boxes_stand_side_by_side(tmp_path):
    rng = np.random.default_rng(0)
    gradients = {"clean": [rng.random(50), 1 + rng.random(50)], "wrong": [rng.random(50), rng.random(50)]}
    ax = plots.gradient_boxes([1, 120], gradients, title="NNCE")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "120"]
    assert texts(ax.get_legend()) == ["clean", "wrong"]
    boxes = [patch.get_path().vertices for patch in ax.patches]
    middles = [0.5 * (box[:4, 0].min() + box[:4, 0].max()) for box in boxes]
    np.testing.assert_allclose(middles, [-0.2, 0.8, 0.2, 1.2], atol=1e-9)
    quartiles = np.quantile(gradients["clean"][1], [0.25, 0.75])
    np.testing.assert_allclose([boxes[1][:4, 1].min(), boxes[1][:4, 1].max()], quartiles)
    rendered(ax, tmp_path)


def test_mean_errors(tmp_path):
    z = np.linspace(-4.0, 4.0, 9)
    ax = plots.mean_errors(z, {"MAE": -np.exp(-(z**2))}, title="K = 10")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), -np.exp(-(z**2)))
    assert "z_k" in ax.get_xlabel()
    assert "delta_k" in ax.get_ylabel()
    rendered(ax, tmp_path)


def test_logit_bias(tmp_path):
    ax = plots.logit_bias([10, 100], {"mean output 0.15": [0.52, 3.03]})
    assert ax.lines[-1].get_ydata().tolist() == [0.52, 3.03]
    assert ax.get_xscale() == "log"
    rendered(ax, tmp_path)


def test_memorization_and_effective_rate(tmp_path):
    ax = plots.memorization({"clean": ([1, 3, 5], [0.2, 0.5, 0.9]), "wrong": ([1, 3, 5], [0.0, 0.1, 0.8])})
    assert ax.lines[0].get_xdata().tolist() == [1, 3, 5]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0.0, 10.0, 80.0])
    assert ax.get_ylabel() == "share of samples (%)"
    rendered(ax, tmp_path)
    ax = plots.effective_rate({"CE": [0.1, 0.0, 0.01]})
    assert ax.lines[0].get_xdata().tolist() == [1, 3]
    assert ax.lines[0].get_ydata().tolist() == [0.1, 0.01]
    rendered(ax, tmp_path)


def test_margin_histograms_share_their_scales(tmp_path):
    edges, counts = (
        np.array([-2.0, 0.0, 2.0]),
        {"clean": np.array([[5, 1], [0, 9]]), "wrong": np.array([[2, 1], [3, 0]])},
    )
    first, last = plots.margin_histograms(edges, [0, 9], counts, title="digits")
    assert (first.get_title(loc="left"), last.get_title(loc="left")) == ("epoch 1", "epoch 10")
    assert first.get_ylim() == last.get_ylim()
    assert [list(patch.get_data().values) for patch in last.patches] == [[0, 9], [3, 0]]
    assert last.patches[1].get_hatch()
    assert texts(first.get_legend()) == ["clean labels", "wrong labels"]
    assert last.get_legend() is None
    assert first.get_xlabel() == ""
    assert "margin" in last.get_xlabel()
    rendered(first, tmp_path)
    assert texts(plots.margin_histogram(edges, {"all": [3, 4]}).get_legend()) == ["all labels"]
