"""Every data set that the package knows: a row each, which all else reads."""

from keras_robust.catalog.schema import Dataset, ImageRecipe
from keras_robust.catalog.table import CATALOG, row_of

__all__ = ["CATALOG", "Dataset", "ImageRecipe", "row_of"]
