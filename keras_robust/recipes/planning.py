"""What a run is made of before it starts: a recipe that can be trained, at a scale, on data, from weights."""

import hashlib
import pathlib
import re
from dataclasses import dataclass

from keras_robust import models
from keras_robust.checks import OneOf, at_least, refuse
from keras_robust.data.augment import image_recipe
from keras_robust.diagnostics.corrections import Corrected
from keras_robust.recipes.scales import SCALES, Scale, method, network, pipeline_of, task
from keras_robust.recipes.schema import Recipe
from keras_robust.training import Job
from keras_robust.training.folder import environment


@dataclass
class Conditions:
    """Under which recipes are run.

    Attributes:
        scale: "full", "quick" or "smoke".
        data_dir, pipeline: as `data.load` takes them; the digits take "device" by themselves.
        weights: file of weights that training starts from, or None.
        found: what became of these in the network that was prepared last.
    """

    scale: str = "full"
    data_dir: str | pathlib.Path | None = None
    pipeline: str | None = None
    weights: str | pathlib.Path | None = None
    found: models.Pretrained | None = None

    @property
    def size(self) -> Scale:
        return SCALES[self.scale]

    def prepared(self, owner: str, recipe: Recipe) -> Recipe:
        """The recipe as it is trained, and can be.

        What cannot be trained is refused here, before there is a folder that would be one of a run that nobody can
        make.
        """
        size = SCALES[OneOf(tuple(SCALES)).check(owner, "scale", self.scale)]
        known = size.shortened(recipe) if size.rehearsal else recipe
        if obstacles := known.obstacles:
            hint = "; `changes` gives what it lacks" if known.missing else ""
            refuse(owner, "recipe", f"one that can be run: {'; '.join(obstacles)}{hint}", recipe.name)
        if known.build_loss().reduction is None:
            refuse(owner, "reduction", "one that makes a number of a batch, for a loss to train on", None)
        known.callbacks()
        known = self._starting(owner, known)
        return known if size.rehearsal else size.shortened(known)

    def _starting(self, owner, recipe):
        """The recipe, once it is known that the weights fit its network."""
        if self.weights is None:
            if recipe.pretrained and not self.size.rehearsal:
                of = f" of {recipe.pretrained}" if isinstance(recipe.pretrained, str) else ""
                rule = f"a file with weights{of}, from which {recipe.name} starts"
                refuse(owner, "pretrained", rule, None)
            return recipe.changed(pretrained=False)
        size = image_recipe(recipe.dataset, recipe.augmentation).size
        shape, K = recipe.row.image_shape or (size, size, 3), recipe.row.num_classes
        self.found = models.load_pretrained(network(recipe)(shape, K, classifier_activation=None), self.weights)
        return recipe if recipe.pretrained else recipe.changed(pretrained=True)

    def settings(self, recipe: Recipe) -> dict:
        """What settings.json says of a run."""
        untold = ("seed", "printed", "contested", "source", "missing")
        told = {name: value for name, value in recipe.to_dict().items() if name not in untold}
        where = None if self.data_dir is None else str(pathlib.Path(self.data_dir).expanduser().absolute())
        weights = {} if self.weights is None else {"weights": _identity(self.weights)}
        made = {"pipeline": pipeline_of(recipe, self.pipeline), "data_dir": where}
        return {"recipe": recipe.name, "scale": self.scale, **told, **weights, **made, **environment()}

    def job(self, recipe: Recipe, name: str, label: str, seed: int, corrected: Corrected | None = None) -> Job:
        """The run of a prepared recipe with a seed, in a folder of this name, perhaps on corrected labels."""
        return Job(
            name=name,
            label=label,
            settings=self.settings(recipe),
            task=lambda done: task(
                recipe, self.size, seed, self.data_dir, self.pipeline, done, self.weights, corrected
            ),
            method=method(recipe),
            seed=seed,
        )

    def remarks(self, recipe: Recipe, changed: Recipe, planned: Recipe) -> tuple[str, ...]:
        """In what runs leave the recipe: by changes, which `changed` has, and by the scale, as `planned` has it."""
        told = []
        if self.size.rehearsal:
            told.append("a rehearsal: two steps on generated images")
            if recipe.pretrained and self.weights is None:
                told.append("from weights that are drawn, no file being given")
        elif self.size != Scale():
            images = f"{self.size.fraction:.0%} of the images"
            told.append(f"{planned.epochs} of {changed.epochs} epochs on {images}: no comparison with the paper")
        different = (name for name in changed.to_dict() if getattr(changed, name) != getattr(recipe, name))
        if settings := [f"{name}={getattr(changed, name)!r}" for name in different if name != "missing"]:
            told.append(f"changed: {', '.join(settings)}")
        if self.found is not None:
            told.append(f"weights of {pathlib.Path(self.weights).name}: {self.found}")
        return tuple(told)


def checked_seeds(owner: str, recipe: Recipe, seeds) -> list[int]:
    """The seeds, or the recipe's own."""
    if isinstance(seeds, int):
        refuse(owner, "seeds", "a list of them, one run for each", seeds)
    seeds = [recipe.seed] if seeds is None else [at_least(0, integer=True).check(owner, "seeds", s) for s in seeds]
    if not seeds or len(set(seeds)) < len(seeds):
        refuse(owner, "seeds", "at least one whole number, none of them twice", seeds)
    return seeds


def default_folder(recipe: Recipe, scale: str) -> str:
    return f"runs/{re.sub('[^a-z0-9.+-]+', '-', recipe.name)}-{scale}"


def _identity(file):
    """Name and digest of a file: a run that resumes is one from the same weights."""
    file = pathlib.Path(file).expanduser()
    with file.open("rb") as content:
        return {"file": file.name, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}
