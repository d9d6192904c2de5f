"""The few things that TensorFlow, JAX and PyTorch do differently and `keras.ops` does not cover."""

import contextlib
import functools

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope, in_stateless_scope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

NARROW_FLOATS = ("bfloat16", "float16")
_NO_GRADIENTS = "Gradients need the TensorFlow, JAX or PyTorch backend of Keras. Received: KERAS_BACKEND={}."


class cached_property:  # noqa: N801
    """`functools.cached_property` without its lock, which `torch.compile` cannot trace."""

    def __init__(self, function):
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self.function(instance)
        instance.__dict__[self.name] = value
        return value


def not_converted(function):
    """Has TensorFlow's AutoGraph run a function as it is: it has nothing to convert, and would warn."""
    function.autograph_info__ = None
    return function


def name_scope(name):
    """`keras.name_scope`, but on PyTorch, which shows no names and cannot compile it."""
    return contextlib.nullcontext() if keras.backend.backend() == "torch" else keras.name_scope(name)


@not_converted
def is_concrete(x) -> bool:
    """Whether the values of `x` can be looked at now and cheaply: eager, and in the memory of the host.

    A PyTorch tensor on an accelerator counts as not concrete, because looking at it would make every training
    step wait for the device.
    """
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return isinstance(x, tf.__internal__.EagerTensor)
        case "jax":
            import jax

            return isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
        case "torch":
            import torch

            if torch.compiler.is_compiling() or not isinstance(x, torch.Tensor):
                return False
            return x.device.type == "cpu" and not is_transformed(x)
    return True


@not_converted
def is_transformed(x) -> bool:
    """Whether `x` is in the hands of `torch.func`, which has no rules for what is done in place."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return not torch.compiler.is_compiling() and torch._C._functorch.is_functorch_wrapped_tensor(x)


@not_converted
def is_traced(x) -> bool:
    """Whether TensorFlow or JAX is compiling a step in which `x` stands for values to come."""
    return keras.backend.backend() in ("tensorflow", "jax") and not is_rehearsal() and not is_concrete(x)


def largest(x, axis=-1, keepdims=False):
    """`ops.max` along an axis; Keras' one for PyTorch cannot be compiled."""
    if keras.backend.backend() == "torch" and not isinstance(x, keras.KerasTensor):
        return x.amax(dim=axis, keepdim=keepdims)
    return ops.max(x, axis=axis, keepdims=keepdims)


def on_device(array):
    """The array where the backend computes, of the type that it has."""
    return ops.convert_to_tensor(array, dtype=keras.backend.standardize_dtype(array.dtype))


class Constant:
    """Numbers, in nested lists or tuples, that each step takes; PyTorch sends them to its device once."""

    def __init__(self, numbers):
        self.numbers, self._kept = numbers, {}

    @not_converted
    def tensor(self, dtype: str):
        """The numbers as a tensor."""
        if keras.backend.backend() != "torch":
            return ops.convert_to_tensor(self.numbers, dtype=dtype)
        import torch
        from keras.src.backend.torch.core import get_device

        if torch.compiler.is_compiling():
            return ops.convert_to_tensor(self.numbers, dtype=dtype)
        place = dtype, str(get_device())
        if place not in self._kept:
            # Not one that lives in `torch.func` or in inference alone: it may be made there and serve elsewhere.
            with torch.inference_mode(False):
                made = ops.convert_to_tensor(self.numbers, dtype=dtype)
            if is_transformed(made):
                return made
            self._kept[place] = made
        return self._kept[place]


def constant(numbers: tuple):
    """A few numbers as a float32 tensor, (n,); PyTorch sends them to its device once."""
    return _constant(numbers).tensor("float32")


@functools.lru_cache(maxsize=100)
def _constant(numbers):
    return Constant(numbers)


def gathered(array, rows):
    """Some rows of an array, in the memory that it is in."""
    if isinstance(array, np.ndarray):
        return array[rows]
    if keras.backend.backend() == "jax":
        return _compiled_gather()(array, rows)
    return ops.take(array, ops.convert_to_tensor(rows, "int32"), axis=0)


@functools.cache
def _compiled_gather():
    import jax

    return jax.jit(lambda array, rows: array.at[rows].get(mode="promise_in_bounds"))


def pixels(images, y, x):
    """Pixels (batch, height, width, channels) of images at the places (y, x), zero where these are outside.

    Args:
        y, x: whole numbers, int32, of shapes that make (batch, height, width) together.
    """
    height, width = images.shape[1:3]
    inside = ops.logical_and(ops.logical_and(y >= 0, y < height), ops.logical_and(x >= 0, x < width))
    match keras.backend.backend():
        case "jax":
            import jax

            # XLA would compute a place anew for every channel of its pixel.
            y, x = jax.lax.optimization_barrier((ops.where(inside, y, height), ops.broadcast_to(x, inside.shape)))
            number = ops.arange(images.shape[0])[:, None, None]
            return images.at[number, y, x].get(mode="fill", fill_value=0)
        case "torch":
            import torch

            number = torch.arange(images.shape[0], device=images.device)[:, None, None]
            found = images[number, y.clamp(0, height - 1), x.clamp(0, width - 1)]
            return found * inside[..., None]
        case "tensorflow":
            import tensorflow as tf

            shape = tf.shape(inside)
            y, x = (tf.broadcast_to(tf.clip_by_value(at, 0, size - 1), shape) for at, size in ((y, height), (x, width)))
            found = tf.gather_nd(images, tf.stack([y, x], axis=-1), batch_dims=1)
            return tf.where(inside[..., None], found, tf.zeros((), images.dtype))


def select(condition, then, otherwise):
    """`ops.where`, but a number stays a number: Keras makes a tensor of it, and PyTorch waits for it to reach a GPU."""
    parts = (condition, then, otherwise)
    if keras.backend.backend() == "torch" and not any(isinstance(part, keras.KerasTensor) for part in parts):
        import torch

        as_they_are = int | float | torch.Tensor
        return torch.where(*(part if isinstance(part, as_they_are) else ops.convert_to_tensor(part) for part in parts))
    return ops.where(condition, then, otherwise)


def clamped(x, low: float, high: float):
    """`ops.clip` between two numbers, which stay numbers; see `select`."""
    if keras.backend.backend() == "torch" and not isinstance(x, keras.KerasTensor):
        return ops.convert_to_tensor(x).clamp(low, high)
    return ops.clip(x, low, high)


def increase(variable) -> None:
    """Adds one to a variable in a step; Keras makes a tensor of the number, and PyTorch waits for it to reach a GPU."""
    if keras.backend.backend() == "torch":
        variable.assign(variable.value + 1)
    else:
        variable.assign_add(1)


def read_rows(variable, rows):
    """Some rows of a variable (n, ...), without a gradient."""
    match keras.backend.backend():
        case "tensorflow":
            value = variable.value
            return value.sparse_read(rows) if hasattr(value, "sparse_read") else ops.take(value, rows, axis=0)
        case "torch":
            return variable.value.detach().index_select(0, rows.long())
    return ops.stop_gradient(ops.take(variable.value, rows, axis=0))


def write_rows(variable, rows, values) -> None:
    """Replaces some rows of a variable (n, ...) in a step; `ops.scatter_update` would copy the whole of it."""
    match keras.backend.backend():
        case "tensorflow" if hasattr(variable.value, "scatter_nd_update"):
            variable.value.scatter_nd_update(rows[:, None], values)
        case "torch":
            variable.value.data.index_copy_(0, rows.long(), values.detach())
        case _:
            variable.assign(ops.scatter_update(variable.value, rows[:, None], ops.stop_gradient(values)))


def equals(x, number):
    """`ops.equal` of a tensor and a number, which stays one; see `select`."""
    if keras.backend.backend() == "torch" and not isinstance(x, keras.KerasTensor):
        return ops.convert_to_tensor(x) == number
    return ops.equal(x, number)


@not_converted
def is_sparse(x) -> bool:
    """Whether `x` is a tensor that does not hold all of its entries."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return isinstance(x, tf.SparseTensor)
        case "jax":
            from jax.experimental.sparse import JAXSparse

            return isinstance(x, JAXSparse)
        case "torch":
            import torch

            return isinstance(x, torch.Tensor) and x.layout != torch.strided
    return False


def is_rehearsal() -> bool:
    """Whether Keras only asks for shapes now, with values that may make no sense.

    Before training under a TensorFlow strategy it hands the mean of the replicas' batches to the loss, ids included.
    """
    return in_symbolic_scope()


@not_converted
def gradient(function, x):
    """Gradient of `sum(function(x))` in `x`; works inside and outside a compiled step."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                total = ops.sum(function(x))
            return tape.gradient(total, x)
        case "jax":
            import jax

            return jax.grad(lambda value: ops.sum(function(value)))(x)
        case "torch":
            import torch

            with torch.enable_grad():
                leaf = x.detach().requires_grad_(True)
                return torch.autograd.grad(function(leaf).sum(), leaf)[0]
    raise ValueError(_NO_GRADIENTS.format(keras.backend.backend()))


def compiled_by_jax(function):
    """The function, compiled as a whole on JAX, which would else compile each of its operations; as it is elsewhere."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


@not_converted
def pullback(layer, x, training: bool):
    """Outputs of a layer on `x`, and a function from directions v to the gradient of `sum(v * outputs)` in `x`.

    Both can be differentiated again in the layer's weights, inside and outside a compiled step, and the layer is called
    once: what it changes while training, such as the moving averages of batch norm, changes once.
    """
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(x)
                outputs = layer(x, training=training)
            return outputs, lambda v: tape.gradient(outputs, x, output_gradients=v)
        case "jax":
            import jax

            return _pullback_of_jax(jax, layer, x, training)
        case "torch":
            import torch

            with torch.enable_grad():
                leaf = x.detach().requires_grad_(True)
                outputs = layer(leaf, training=training)
            return outputs, lambda v: torch.autograd.grad(outputs, leaf, v, retain_graph=True, create_graph=True)[0]
    raise ValueError(_NO_GRADIENTS.format(keras.backend.backend()))


def _pullback_of_jax(jax, layer, x, training):
    """What the layer changes comes out of the differentiated function, and is then assigned where it was called."""
    known = [(variable, variable.value) for variable in layer.variables]

    def run(value):
        with StatelessScope(state_mapping=known, collect_losses=True) as scope:
            outputs = layer(value, training=training)
        changed = [scope.get_current_value(variable) for variable in layer.non_trainable_variables]
        return outputs, (changed, scope.losses)

    outputs, pull, (changed, losses) = jax.vjp(run, x, has_aux=True)
    for variable, value in zip(layer.non_trainable_variables, changed, strict=True):
        variable.assign(value)
    for loss in losses:
        layer.add_loss(loss)
    return outputs, lambda v: pull(v)[0]


@not_converted
def place_among_replicas() -> tuple:
    """(index, count) of a replica of a TensorFlow strategy, each of which computes a part of the batch; else (0, 1)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.replica_id_in_sync_group, context.num_replicas_in_sync
    return 0, 1


def count_of_replicas(model) -> int:
    """Replicas that each take a part of a batch by themselves: of a TensorFlow strategy, or processes of PyTorch.

    On JAX a step sees the whole batch, however many devices share it.
    """
    match keras.backend.backend():
        case "tensorflow":
            strategy = getattr(model, "distribute_strategy", None)
            return 1 if strategy is None else strategy.num_replicas_in_sync
        case "torch":
            from torch import distributed

            joined = distributed.is_available() and distributed.is_initialized()
            return distributed.get_world_size() if joined else 1
    return 1


def variable_scope(model):
    """A context in which new variables are spread over devices as those of the model are."""
    strategy = getattr(model, "distribute_strategy", None) if keras.backend.backend() == "tensorflow" else None
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def is_lent(variable) -> bool:
    """Whether `fit` on JAX has taken the value of the variable along into the state of its step."""
    return keras.backend.backend() == "jax" and not in_stateless_scope() and variable._value is None


def is_frozen(variable) -> bool:
    """Whether a step that JAX is compiling would take the variable for a constant."""
    if keras.backend.backend() != "jax" or not in_stateless_scope() or is_rehearsal():
        return False
    return get_stateless_scope().get_current_value(variable) is None
