"""Accuracies of the last epoch that this package's own runs of the recipes ended with.

Name of a recipe -> `Cell` whose source says backend, device and version. Only what a run printed.
"""

from keras_robust.recipes.schema import Cell

OBTAINED: dict[str, Cell] = {}
