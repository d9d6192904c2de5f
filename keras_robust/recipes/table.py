"""All recipes, paper by paper."""

from keras_robust.recipes import anl, apl, curriculum, dal, logit_bias

RECIPES = (*apl.ROWS, *anl.ROWS, *dal.ROWS, *logit_bias.ROWS, *curriculum.ROWS)
"""All recipes, paper by paper."""

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
