"""Weights to start from, out of a file: layer by layer, all but the classifier."""

import io
import pathlib
import re
import zipfile
from typing import NamedTuple

import keras
import numpy as np

from keras_robust.checks import refuse

# torchvision's names of a residual network, and the layers of ours.
_TORCHVISION = (
    (re.compile(r"conv1"), "stem_conv"),
    (re.compile(r"bn1"), "stem_norm"),
    (re.compile(r"layer(\d)\.(\d+)\.conv(\d)"), "stage{0}_block{1}_{2}_conv"),
    (re.compile(r"layer(\d)\.(\d+)\.bn(\d)"), "stage{0}_block{1}_{2}_norm"),
    (re.compile(r"layer(\d)\.(\d+)\.downsample\.0"), "stage{0}_block{1}_shortcut_conv"),
    (re.compile(r"layer(\d)\.(\d+)\.downsample\.1"), "stage{0}_block{1}_shortcut_norm"),
    (re.compile(r"fc"), "predictions"),
)
# The order in which a layer of Keras has them.
_PARTS = ("weight", "bias", "running_mean", "running_var")
_APPLICATIONS = "conv2_block1_1_conv"
_OF_APPLICATIONS = (
    ": they are a ResNet of keras.applications, another network, with the stride of a block in its first 1 x 1 "
    "convolution, biases, and images as BGR less a mean. torchvision's resnet50 is the one here; to train theirs, "
    "build it with `models.from_backbone`"
)


class Pretrained(NamedTuple):
    """What became of a file of weights: names of the layers that have them, and of those that were left as they are."""

    loaded: tuple
    left_out: tuple

    def __str__(self):
        return f"{len(self.loaded)} layers loaded, left as drawn: {', '.join(self.left_out)}"


def load_pretrained(model: keras.Model, file) -> Pretrained:
    """Gives a network the weights of a file, layer by layer by name and shape; the classifier stays as it is.

    The classifier is the last layer with weights: that of the file is for other classes. All other layers must be in
    the file, and the file must have no others, apart from its own classifier.

    - `.weights.h5`, `.keras`, `.h5`: what Keras saves, of a network with the same names of layers.
    - `.pth`, `.pt`: a state dict of PyTorch with torchvision's names, for the residual networks here, which are
      torchvision's layer for layer: `torch.save(torchvision.models.resnet50(weights=...).state_dict(), file)`. It needs
      PyTorch installed, on any backend.

    Weights of `keras.applications.ResNet50` are refused: that network is another one.

    Args:
        model: a built network.
        file: path of the file.

    Returns:
        `Pretrained(loaded, left_out)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the layers that do not fit, or a file that cannot be read.
        ImportError: if PyTorch is needed and not installed.

    Example:

    >>> model = keras_robust.models.resnet18((32, 32, 3), 100)
    >>> model.save_weights(tmp_path / "mine.weights.h5")
    >>> other = keras_robust.models.resnet18((32, 32, 3), 10)
    >>> print(keras_robust.models.load_pretrained(other, tmp_path / "mine.weights.h5"))
    40 layers loaded, left as drawn: predictions
    """
    file = pathlib.Path(file).expanduser()
    layers = {layer.name: layer for layer in model._flatten_layers(include_self=False) if _own_weights(layer)}
    if not layers:
        refuse("load_pretrained", "model", "a built network with weights", model)
    stored = read_weights(file)
    *body, head = layers
    lacking = [name for name in body if name not in stored]
    shaped = {name: [tuple(w.shape) for w in _own_weights(layers[name])] for name in body if name in stored}
    differing = [name for name, shapes in shaped.items() if [w.shape for w in stored[name]] != shapes]
    beyond = sorted(stored.keys() - layers)
    if len(beyond) == 1 and head not in stored:  # the classifier of the file, by another name
        beyond = []
    if lacking or differing or beyond:
        told = (("not in the file", lacking), ("of another shape", differing), ("in the file alone", beyond))
        words = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in told if names)
        reason = _OF_APPLICATIONS if _APPLICATIONS in stored and _APPLICATIONS not in layers else ""
        raise ValueError(f"The weights in {file} do not fit {model.name}: of {len(body)} layers, {words}{reason}.")
    for name in body:
        for variable, value in zip(_own_weights(layers[name]), stored[name], strict=True):
            variable.assign(value)
    return Pretrained(tuple(body), (head,))


def read_weights(file: pathlib.Path) -> dict[str, list[np.ndarray]]:
    """The weights of a file by the names of its layers, in the order in which Keras has them.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `load_pretrained`.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file} with weights to start from.")
    try:
        if file.suffix in (".pth", ".pt"):
            return _of_torch(file)
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as archive:
                return _of_keras(io.BytesIO(archive.read("model.weights.h5")))
        if file.suffix in (".h5", ".hdf5"):
            return _of_keras(file)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{file} holds no weights that can be read: {error}") from error
    refuse("load_pretrained", "file", "a .weights.h5, .keras, .h5, .pth or .pt file", str(file))


def _of_keras(file):
    import h5py

    with h5py.File(file) as archive:
        root = archive.get("model_weights", archive)
        if "layer_names" in root.attrs:  # Keras 1 and 2
            names = (_text(name) for name in root.attrs["layer_names"])
            found = {name: [root[name][_text(w)][()] for w in root[name].attrs["weight_names"]] for name in names}
            return {name: arrays for name, arrays in found.items() if arrays}
        found = {}

        def visit(path, group):
            of_layer = path.endswith("vars") and not path.startswith("optimizer/")
            if of_layer and isinstance(group, h5py.Group) and len(group):
                name = _text(group.attrs.get("name", path.removesuffix("/vars").rpartition("/")[2]))
                found[name] = [group[str(place)][()] for place in range(len(group))]

        archive.visititems(visit)
        return found


def _of_torch(file):
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{file} is a file of PyTorch's, which is not installed: pip install torch") from error
    import pickle

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise ValueError(f"{file} is no state dict of PyTorch: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{file} is no state dict of PyTorch: it must hold tensors by name.")
    found = {}
    for key, value in state.items():
        module, _, part = key.rpartition(".")
        if part in _PARTS:
            found.setdefault(_renamed(module), {})[part] = _turned(value.float().numpy())
    return {name: [parts[part] for part in _PARTS if part in parts] for name, parts in found.items()}


def _renamed(module):
    """The name here of a module of torchvision's residual networks."""
    for pattern, name in _TORCHVISION:
        if found := pattern.fullmatch(module):
            stage, block, *number = (*found.groups(), None, None)[:3]
            return name.format(stage, block and int(block) + 1, *number)
    return module


def _turned(array):
    """Kernels as Keras has them: (height, width, in, out) and (in, out)."""
    return array.transpose({2: (1, 0), 4: (2, 3, 1, 0)}.get(array.ndim, range(array.ndim)))


def _own_weights(layer):
    """Weights of a layer itself, not of layers inside it; the state of random numbers is none."""
    inside = layer._flatten_layers(include_self=False, recursive=True)
    others = {id(weight) for one in inside for weight in one.weights}
    return [weight for weight in layer.weights if id(weight) not in others]


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _some(names):
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
