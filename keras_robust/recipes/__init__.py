"""The papers' settings as data: one frozen row for every loss on every data set with every noise.

    keras_robust.recipes.get("anl/cifar10/symmetric:0.4/anl-ce")
    keras_robust.recipes.find(dataset="cifar10n", verified=True)

    keras_robust.recipes.run("anl/cifar10/symmetric:0.4/anl-ce", data_dir="~/tensorflow_datasets")

A number stands here only if it was read in a source, which the row names.
"""

from keras_robust.recipes import figures
from keras_robust.recipes.cell import Cell
from keras_robust.recipes.find import find, get
from keras_robust.recipes.grid import Grid
from keras_robust.recipes.report import Report, listing
from keras_robust.recipes.retraining import Retrained, retrain
from keras_robust.recipes.rules import PAPERS
from keras_robust.recipes.runner import run
from keras_robust.recipes.schema import Recipe
from keras_robust.recipes.sweeps import sweep
from keras_robust.recipes.table import RECIPES

__all__ = [
    "PAPERS",
    "RECIPES",
    "Cell",
    "Grid",
    "Recipe",
    "Report",
    "Retrained",
    "figures",
    "find",
    "get",
    "listing",
    "retrain",
    "run",
    "sweep",
]
