"""The figures of Ma et al. 2020, all of them of training."""

from keras_robust.diagnostics.figures.schema import PaperFigure

FIGURES = (
    PaperFigure(
        "apl/1",
        "normalized losses against plain ones on CIFAR-100",
    ),
    PaperFigure(
        "apl/2",
        "normalized losses against plain ones on CIFAR-10",
    ),
    PaperFigure(
        "apl/3",
        "scaling a loss does not make up for underfitting",
    ),
    PaperFigure(
        "apl/4",
        "active passive sums against sums of two active or two passive losses",
    ),
    PaperFigure(
        "apl/5",
        "the weights of NCE+RCE",
    ),
)

__all__ = ["FIGURES"]
