"""The figures of the five papers. Those that need no training are drawn here, the others by `recipes.figures`."""

from keras_robust.checks import OneOf
from keras_robust.diagnostics.figures import anl, apl, curriculum, dal, logit_bias
from keras_robust.diagnostics.figures.schema import PaperFigure

FIGURES = {figure.name: figure for module in (anl, apl, curriculum, dal, logit_bias) for figure in module.FIGURES}
"""All figures of the five papers, name -> `PaperFigure`."""


def figure(name: str, data_dir=None):
    """Draws a paper's figure with this package's own losses, theory and networks, and returns it to be saved.

    Args:
        name: a name of `FIGURES`, "curriculum/2".
        data_dir: folder of the images that a figure looks at, as `data.load_arrays` takes it. Where the data set is not
            at hand, generated images (digits for dal/5) stand in for it, and the title says which they are.

    Raises:
        ValueError: for an unknown name, and for a figure of training.

    Example:

    >>> keras_robust.diagnostics.figures.figure("anl/1").axes[0].get_ylabel()
    'loss'
    """
    found = FIGURES[OneOf(tuple(FIGURES)).check("figure", "name", name)]
    if found.drawing is None:
        raise ValueError(
            f"{name} shows training: `recipes.figures.draw_figure({name!r}, runs)` draws it from folders of runs, "
            f"`recipes.figures.train_figure({name!r})` makes them."
        )
    return found.drawing(data_dir) if found.needs_images else found.drawing()


__all__ = ["FIGURES", "PaperFigure", "figure"]
