"""In which precision an accelerator multiplies float32 matrices: the same on every backend, and said."""

import contextlib

import keras


@contextlib.contextmanager
def tf32():
    """Products and convolutions of float32 take TF32, 10 bits of the mantissa and sums in float32, where a GPU has it.

    So PyTorch has convolutions, JAX and TensorFlow all products by default; the papers were trained so or in whole
    float32. A CPU computes in whole float32. What was set before is set again afterwards.

    Example:

    >>> with tf32():
    ...     product = keras.ops.matmul(np.ones((2, 2), "float32"), np.ones((2, 2), "float32"))
    """
    match keras.backend.backend():
        case "jax":
            import jax

            with jax.default_matmul_precision("tensorfloat32"):
                yield
        case "torch":
            import torch

            matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
            before = matrices.allow_tf32, convolutions.allow_tf32
            matrices.allow_tf32 = convolutions.allow_tf32 = True
            try:
                yield
            finally:
                matrices.allow_tf32, convolutions.allow_tf32 = before
        case "tensorflow":
            import tensorflow as tf

            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(True)
            try:
                yield
            finally:
                tf.config.experimental.enable_tensor_float_32_execution(before)


def float32_products() -> str:
    """What products of float32 matrices are computed in under `tf32`, here: "TF32" on an accelerator, else "float32".

    Example:

    >>> float32_products() in ("TF32", "float32")
    True
    """
    match keras.backend.backend():
        case "jax":
            import jax

            accelerated = jax.default_backend() == "gpu"
        case "torch":
            import torch

            accelerated = torch.cuda.is_available()
        case "tensorflow":
            import tensorflow as tf

            accelerated = bool(tf.config.get_visible_devices("GPU"))
    return "TF32" if accelerated else "float32"
