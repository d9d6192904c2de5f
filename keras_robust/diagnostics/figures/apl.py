"""The figures of Ma et al. 2020, all of them of training."""

from keras_robust.diagnostics.figures.schema import PaperFigure

_BOTH = "apl/cifar10/symmetric:0.6 and apl/cifar100/symmetric:0.6"

FIGURES = (
    PaperFigure(
        "apl/1",
        "normalized losses against plain ones on CIFAR-100",
        runs="apl/cifar100/symmetric:0.6: CE, FL (gamma = 0.5), MAE, RCE (A = -4) and each of them normalized",
    ),
    PaperFigure(
        "apl/2",
        "normalized losses against plain ones on CIFAR-10",
        runs="apl/cifar10/symmetric:0.6: CE, FL (gamma = 0.5), MAE, RCE (A = -4) and each of them normalized",
    ),
    PaperFigure(
        "apl/3",
        "scaling a loss does not make up for underfitting",
        runs="apl/cifar100/symmetric:0.6: NCE, NFL, MAE, RCE at several scales, which are in the drawing alone",
    ),
    PaperFigure(
        "apl/4",
        "active passive sums against sums of two active or two passive losses",
        runs=f"{_BOTH}, alpha = beta = 1: NCE+MAE, NCE+RCE, NFL+MAE, NFL+RCE, NFL+NCE, MAE+RCE",
    ),
    PaperFigure(
        "apl/5",
        "the weights of NCE+RCE",
        runs=f"{_BOTH}: NCE+RCE, alpha in 0.1, 1, 10, beta in 0.1, 1, 10, 100, a fifth of the data held out",
    ),
)

__all__ = ["FIGURES"]
