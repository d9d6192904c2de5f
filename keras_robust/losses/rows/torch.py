"""Rows on PyTorch: one autograd function for all that is read, in place where it can be.

Plain autograd makes a (batch, classes) gradient for each sum and adds them up, and keeps more than one tensor of that
shape. PyTorch runs eagerly and cannot look ahead: what a loss declares in `reads` is read in one go.
"""

import math

import torch

from keras_robust.backend import cached_property
from keras_robust.losses.rows import generic

LOWEST = -50.0  # below it exp(-low) times a sum over classes leaves float32


def with_slope(function, x):
    return _WithSlope.apply(x, function)[0]


Whole = generic.Whole


class Others(generic.Others):
    @cached_property
    def places(self):
        return self.ids.long()[..., None]

    @cached_property
    def masked(self):
        return self.logits.scatter(-1, self.places, -math.inf)

    @cached_property
    def _read(self):
        low = next((low for low in self.reads if isinstance(low, float) and low > LOWEST), None)
        spread, peak = "spread" in self.reads, "peak" in self.reads
        return low, *_Read.apply(self.logits, self.places, spread, peak, low)[:6]

    @property
    def margin(self):
        return self._read[1]

    @property
    def normalizer(self):
        return self._read[2:4]

    @property
    def sum_log_shares(self):
        return super().sum_log_shares if self._read[4] is None else self._read[4]

    @property
    def max_log_share(self):
        return super().max_log_share if self._read[5] is None else self._read[5]

    def above(self, low, bias=0.0):
        is_read = isinstance(low, float) and low == self._read[0] and isinstance(bias, float) and bias == 0.0
        return self._read[6] if is_read else super().above(low, bias)

    def pick(self, values):
        return values.gather(-1, self.places).squeeze(-1)


class _WithSlope(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, function):
        return function(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.function = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, output[1])

    @staticmethod
    def backward(ctx, change, _):
        x, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative goes through it
            slope = ctx.function(x)[1]
        return -slope * change, None


class _Read(torch.autograd.Function):
    """Margin, largest other logit, and sum, maximum and sum above `low` of the logarithms, with one gradient for all.

    Keeps exp(z - top) and its sum, both times exp(-level) where `low` is asked for, so that 1 tells what is above.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits, places, spread, peak, low):
        shifted = logits.scatter(-1, places, -math.inf)
        top = shifted.amax(dim=-1, keepdim=True)
        shifted.sub_(top)
        total = above = largest = None
        unit = torch.ones_like(top)
        if spread:
            total = shifted.scatter_(-1, places, 0.0).sum(dim=-1)
            shifted.scatter_(-1, places, -math.inf)
        parts = shifted.exp_() if low is None else shifted.exp()
        whole = parts.sum(dim=-1)
        rest, number = torch.zeros_like(whole), torch.ones_like(whole)
        if peak:
            rest = parts.frac().sum(dim=-1)
            number = (whole - rest).round().clamp(min=1.0)
            whole = rest + number
            log_whole = (rest + (number - 1.0)).log1p()
            largest = -log_whole
        else:
            log_whole = whole.log()
        top = top.squeeze(-1)
        margin = logits.gather(-1, places).squeeze(-1) - top - log_whole
        if spread:
            total = total - (logits.shape[-1] - 1.0) * log_whole
        if low is not None:
            level = low + log_whole - torch.nn.functional.logsigmoid(-margin)
            above = shifted.sub_(level[..., None]).relu_().sum(dim=-1)
            unit = (-level.clamp(max=1.0)).exp()[..., None]
            parts.mul_(unit)
            whole = whole * unit.squeeze(-1)
        return margin, top, log_whole, total, largest, above, parts, whole, rest, number, unit

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        logits, places, *_ = inputs
        margin, top, *_, parts, whole, rest, number, unit = output
        ctx.mark_non_differentiable(top, parts, whole, rest, number, unit)
        ctx.save_for_backward(logits, places, margin, parts, whole, rest, number, unit)

    @staticmethod
    def backward(ctx, margin, _, log_whole, total, largest, above, *__):
        logits, places, at_margin, parts, whole, rest, number, unit = ctx.saved_tensors
        again = torch.is_grad_enabled()  # a second derivative goes through what is read here
        if again:
            masked = logits.scatter(-1, places, -math.inf)
            parts, old, whole = torch.softmax(masked, dim=-1), parts, torch.ones_like(whole)
            at_margin = (logits.gather(-1, places) - masked.logsumexp(dim=-1, keepdim=True)).squeeze(-1)
        zero = torch.zeros_like(at_margin)
        at_label = zero if margin is None else margin
        pull = -at_label if log_whole is None else log_whole - at_label
        if total is not None:
            pull = pull - (logits.shape[-1] - 1.0) * total
        if largest is not None:
            pull = pull - largest
        if above is not None:
            slope = above[..., None].expand_as(parts)
            is_above = torch.ops.aten.threshold_backward(slope, old if again else parts, 1.0)
            weight, p = is_above.sum(dim=-1), torch.sigmoid(at_margin)
            pull, at_label = pull - weight * (1.0 - p), at_label - weight * p
        gradient = parts * (pull / whole)[..., None]
        if largest is not None:
            is_top = (old if again else parts) >= unit
            if again:
                gradient = gradient + is_top * (largest / number)[..., None]
            else:
                # A share near 1 and the slope of its logarithm would cancel.
                share = unit.squeeze(-1) / whole
                peak = share * (pull + largest) + largest * rest / (number * (rest + number))
                gradient = torch.where(is_top, peak[..., None], gradient)
        if above is not None:
            gradient = gradient + is_above if again else gradient.add_(is_above)
        if total is not None:
            gradient = gradient + total[..., None] if again else gradient.add_(total[..., None])
        scatter = gradient.scatter if again else gradient.scatter_
        return scatter(-1, places, at_label[..., None]), None, None, None, None
