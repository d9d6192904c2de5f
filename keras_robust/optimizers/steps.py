"""What a step of PyTorch's optimizers is made of: the gradient clipped by its norm, then the decay added to it."""

import keras
from keras import ops


class PyTorchSteps:
    """What the optimizers here share: clipping and coupled weight decay as PyTorch has them, all variables at once."""

    def _clip_gradients(self, grads):
        grads = _dense(grads)
        if self.global_clipnorm is None:
            return grads
        factor = self.global_clipnorm / (_norm(_summed_over_replicas(grads)) + 1e-6)
        if keras.backend.backend() == "torch":  # a number that is made a tensor has the step wait for the device
            factor = factor.clamp(max=1.0)
            return [g * factor.to(g.dtype) for g in grads]
        factor = ops.minimum(1.0, factor)
        return [ops.multiply(g, ops.cast(factor, g.dtype)) for g in grads]

    def _apply_weight_decay(self, variables):
        """Nothing: the decay is part of the step."""

    def _decayed(self, gradient, variable):
        """The gradient with that of the decay."""
        step = ops.cast(gradient, variable.dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            step = ops.add(step, ops.multiply(variable, self.weight_decay))
        return step

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if keras.backend.backend() == "torch":
            self._update_together(grads, trainable_variables, learning_rate)
        else:
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _decayed_together(self, grads, variables):
        """`_decayed` of all variables in a few calls of PyTorch."""
        import torch

        weights = [variable.value for variable in variables]
        steps = [g.to(w.dtype) for g, w in zip(grads, weights, strict=True)]
        decaying = [i for i, v in enumerate(variables) if self.weight_decay and self._use_weight_decay(v)]
        if decaying:
            grown = torch._foreach_add(
                [steps[i] for i in decaying], [weights[i] for i in decaying], alpha=self.weight_decay
            )
            for i, step in zip(decaying, grown, strict=True):
                steps[i] = step
        return weights, steps

    def get_config(self):
        config = super().get_config()
        # What Keras' optimizers have besides and these do not take.
        for option in ("clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency"):
            del config[option]
        return config


def _dense(grads):
    """TensorFlow's gradient of an embedding is a list of rows, some of them more than once: added up here."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    return [tf.convert_to_tensor(g) for g in grads]


def _norm(grads):
    """Root of the sum of all squares, in float32."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm([g.float() for g in grads])))
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads))


def _summed_over_replicas(grads):
    """Under a TensorFlow strategy every replica clips its share of the gradient, before Keras adds the shares."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return grads
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
