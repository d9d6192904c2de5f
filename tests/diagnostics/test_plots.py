"""Pictures are drawn from arrays and say what they show."""

import numpy as np
import pytest

from keras_robust.diagnostics import plots


def test_accuracy_curves(tmp_path):
    curves = {"CE": np.array([[0.5, 0.8, 0.7], [0.4, 0.9, 0.6]]), "ANLCE": np.array([0.5, 0.9, 0.95])}
    ax = plots.accuracy_curves(curves, title="digits")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [45.0, 85.0, 65.0])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [50.0, 90.0, 95.0])
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CE", "ANLCE"]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel().endswith("(%)")
    ax.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    assert plots.accuracy_curves({"GCE": [0.1, 0.2]}, ax=ax) is ax


def test_a_transition_matrix_shows_its_per_cents():
    T = np.array([[0.7, 0.3], [0.0, 1.0]])
    ax = plots.transition_matrix(T, ["cat", "dog"], title="pets")
    assert {text.get_text() for text in ax.texts} == {"70.0", "30.0", "100.0"}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["cat", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("given label", "clean label", "pets")
    np.testing.assert_array_equal(ax.images[0].get_array(), T)
    assert len(plots.transition_matrix(np.eye(100)).texts) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_contact_sheet_shows_every_picture_with_its_caption(channels):
    images = np.random.default_rng(0).integers(0, 256, (13, 8, 8, channels)).astype("uint8")
    ax = plots.contact_sheet(images, [f"picture {i}" for i in range(13)], columns=5)
    assert len(ax.images) == 13
    assert [text.get_text() for text in ax.texts] == [f"picture {i}" for i in range(13)]
    for drawn, image in zip(ax.images, images, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), image[..., 0] if channels == 1 else image)
    corners = [drawn.get_extent() for drawn in ax.images]
    assert len({(left, top) for left, _, _, top in corners}) == 13
    with pytest.raises(ValueError, match="shorter"):
        plots.contact_sheet(images, ["one"])
