"""The figures of the five papers: those that need no training are drawn, of the others it says which runs they need."""

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
        ValueError: for an unknown name, and for a figure that needs training, with the runs that it needs.

    Example:

    >>> keras_robust.diagnostics.figures.figure("anl/1").axes[0].get_ylabel()
    'loss'
    """
    found = FIGURES[OneOf(tuple(FIGURES)).check("figure", "name", name)]
    if found.drawing is None:
        raise ValueError(f"{name} needs training. Its runs: {found.runs}.")
    return found.drawing(data_dir) if found.needs_images else found.drawing()


def listing() -> str:
    """All figures in lines: the name, whether it is drawn or needs runs, and the caption.

    Example:

    >>> print(keras_robust.diagnostics.figures.listing().splitlines()[0])
    anl/1                  drawn       an active loss and its mirror image, the negative loss
    """
    return "\n".join(
        f"{name:<22} {'drawn' if found.drawing else 'needs runs':<11} {found.caption}"
        for name, found in FIGURES.items()
    )


__all__ = ["FIGURES", "PaperFigure", "figure", "listing"]
