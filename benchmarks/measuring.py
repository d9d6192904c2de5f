"""What the benchmarks share: which cores, a step as the backend compiles it, interleaved times, versions and device."""

import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def keep_to_cores(count):
    """Binds the process to the first cores it may use; backends size their pools by it, so call it before they load."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def accelerator():
    """The name of the GPU that the backend computes on, or None."""
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else None
        case "jax":
            import jax

            return None if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
        case "torch":
            import torch

            return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def step(loss):
    """(y, z) -> mean loss and its gradient in z, made as Keras makes a training step, and done when it returns.

    TensorFlow: `tf.function`, with XLA on a GPU only, as `jit_compile="auto"` resolves. JAX: `jit`. PyTorch: eager.
    """
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            @tf.function(jit_compile=accelerator() is not None)
            def compiled(y, z):
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    value = loss(y, z)
                return value, tape.gradient(value, z)

            def run(y, z):
                out = compiled(y, z)
                tf.test.experimental.sync_devices()
                return out

        case "jax":
            import jax

            compiled = jax.jit(lambda y, z: jax.value_and_grad(lambda z: loss(y, z))(z))

            def run(y, z):
                return jax.block_until_ready(compiled(y, z))

        case "torch":
            import torch

            compiled = None

            def run(y, z):
                leaf = z.detach().requires_grad_(True)
                value = loss(y, leaf)
                (gradient,) = torch.autograd.grad(value, leaf)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                return value.detach(), gradient

    run.compiled = compiled
    return run


def interleaved(functions, seconds, clock=time.perf_counter, least=5):
    """Median seconds of each function of a dict, run in turns for about `seconds` after a warm-up."""
    for function in functions.values():
        function()
    times = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < least:
        for name, function in functions.items():
            function()  # what ran before it has left its marks on caches and allocator
            start = clock()
            function()
            times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def kernels(function):
    """How many kernels PyTorch launches on a GPU while the function runs, or operators on a CPU; None elsewhere."""
    import keras

    if keras.backend.backend() != "torch":
        return None
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        function()
        if on_gpu:
            torch.cuda.synchronize()
    if not on_gpu:
        return sum(event.name.startswith("aten::") and event.cpu_parent is None for event in profiled.events())
    device = torch.autograd.DeviceType.CUDA
    copied = ("Memcpy", "Memset")
    return sum(event.device_type == device and not event.name.startswith(copied) for event in profiled.events())


def circumstances(*further):
    """Versions, of `further` packages too, and device, for the JSON line of a benchmark."""
    import keras

    import keras_robust

    backend = keras.backend.backend()
    versions = {name: _version(name) for name in ("keras", "numpy", backend, *further)}
    return {
        "backend": backend,
        "versions": versions | {"keras_robust": keras_robust.__version__, "python": platform.python_version()},
        "device": accelerator() or f"{_processor()}, {_cores()} cores",
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _version(name):
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.version(f"{name}-cpu")  # as TensorFlow's small wheel is called


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
