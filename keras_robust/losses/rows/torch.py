"""Rows on PyTorch: one autograd function for all that is read, in place where it can be.

Plain autograd makes a (batch, classes) gradient for each sum and adds them up, and keeps more than one tensor of that
shape. PyTorch runs eagerly and cannot look ahead: what a loss declares in `reads` is read in one go.
"""

import inspect
import math

import torch

from keras_robust.backend import cached_property
from keras_robust.losses.rows import generic
from keras_robust.numerics import SMALLEST

LOWEST = -50.0  # below it exp(-low) times a sum over classes leaves float32


def with_slope(function, x):
    return _WithSlope.apply(x, function)[0]


Whole = generic.Whole


class Others(generic.Others):
    lowest = LOWEST

    @cached_property
    def places(self):
        return self.ids.long()[..., None]

    @cached_property
    def masked(self):
        return self.logits.scatter(-1, self.places, -math.inf)

    @cached_property
    def _read(self):
        return _Read.apply(self.logits, self.places, "sum" in self.reads, self.foreseen)[:5]

    @property
    def margin(self):
        return self._read[0]

    @property
    def normalizer(self):
        return self._read[1:3]

    @property
    def sum_log_shares(self):
        return super().sum_log_shares if self._read[3] is None else self._read[3]

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)

    def above(self, low, bias=0.0):
        return self._read[4] if self.is_foreseen(low, bias) else super().above(low, bias)


class Peak(generic.Peak):
    @cached_property
    def _read(self):
        return _ReadPeak.apply(self.logits, self.ids.long()[..., None])[:2]

    log_p = property(lambda self: self._read[0])
    max_log_prob = property(lambda self: self._read[1])


def pick(values, ids):
    return values.gather(-1, ids.long()[..., None]).squeeze(-1)


def share(part, rest):
    return _Share.apply(part, rest)


class _Function(torch.autograd.Function):
    generate_vmap_rule = True

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        # PyTorch asks for it at each call, and Python would work it out each time.
        cls.forward.__signature__ = inspect.signature(cls.forward)


class _Share(_Function):
    """part / (part + rest); its plain chain of safe operations launches five times as many kernels on a GPU."""

    @staticmethod
    def forward(part, rest):
        return part / (part + rest)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, change):
        part, rest = ctx.saved_tensors
        unit = (part + rest).clamp(min=SMALLEST).reciprocal()
        change = change * unit
        # Neither is 1 minus the other: where one is all but 1, the other keeps its digits.
        return change * (rest * unit), -change * (part * unit)


class _WithSlope(_Function):
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


class _Read(_Function):
    """Margin, and sum and sum above `low` of the logarithms of the other classes, with one gradient for all.

    Keeps exp(z - top) and its sum, both times exp(-level) where `low` is asked for, so that 1 tells what is above.
    """

    @staticmethod
    def forward(logits, places, summed, low):
        shifted = logits.scatter(-1, places, -math.inf)
        top = shifted.amax(dim=-1, keepdim=True)
        shifted.sub_(top)
        total = above = None
        if summed:
            total = shifted.scatter_(-1, places, 0.0).sum(dim=-1)
            shifted.scatter_(-1, places, -math.inf)
        parts = shifted.exp_() if low is None else shifted.exp()
        whole = parts.sum(dim=-1)
        log_whole = whole.log()
        top = top.squeeze(-1)
        margin = logits.gather(-1, places).squeeze(-1) - top - log_whole
        if summed:
            total = total - (logits.shape[-1] - 1.0) * log_whole
        if low is not None:
            level = low + log_whole - torch.nn.functional.logsigmoid(-margin)
            above = shifted.sub_(level[..., None]).relu_().sum(dim=-1)
            unit = (-level.clamp(max=1.0)).exp()
            parts.mul_(unit[..., None])
            whole = whole * unit
        return margin, top, log_whole, total, above, parts, whole

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        logits, places, _, _ = inputs
        margin, top, *_, parts, whole = output
        ctx.mark_non_differentiable(top, parts, whole)
        ctx.save_for_backward(logits, places, margin, parts, whole)

    @staticmethod
    def backward(ctx, margin, _, log_whole, total, above, *__):
        logits, places, at_margin, parts, whole = ctx.saved_tensors
        scaled, again = parts, torch.is_grad_enabled()  # a second derivative goes through what is read here
        if again:
            masked = logits.scatter(-1, places, -math.inf)
            parts, whole = torch.softmax(masked, dim=-1), torch.ones_like(whole)
            at_margin = (logits.gather(-1, places) - masked.logsumexp(dim=-1, keepdim=True)).squeeze(-1)
        at_label = torch.zeros_like(at_margin) if margin is None else margin
        pull = -at_label if log_whole is None else log_whole - at_label
        if total is not None:
            pull = pull - (logits.shape[-1] - 1.0) * total
        if above is not None:
            is_above = torch.ops.aten.threshold_backward(above[..., None].expand_as(scaled), scaled, 1.0)
            weight, p = is_above.sum(dim=-1), torch.sigmoid(at_margin)
            pull, at_label = pull - weight * (1.0 - p), at_label - weight * p
        gradient = parts * (pull / whole)[..., None]
        for part in (None if above is None else is_above, None if total is None else total[..., None]):
            if part is not None:
                gradient = gradient + part if again else gradient.add_(part)
        scatter = gradient.scatter if again else gradient.scatter_
        return scatter(-1, places, at_label[..., None]), None, None, None


class _ReadPeak(_Function):
    """log p at `places` and the largest log p of a row, with relative digits near 0, in value and gradient.

    Of several largest logits the first is the largest, and the others are of the rest.
    """

    @staticmethod
    def forward(logits, places):
        top, peak = logits.max(dim=-1, keepdim=True)
        at_label = (logits.gather(-1, places) - top).squeeze(-1)
        parts = (logits - top).exp_().scatter_(-1, peak, 0.0)
        rest = parts.sum(dim=-1)
        log_whole = rest.log1p()
        return at_label - log_whole, -log_whole, peak, parts, rest

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(*inputs, *output[2:])

    @staticmethod
    def backward(ctx, label, largest, *_):
        logits, places, peak, parts, rest = ctx.saved_tensors
        zero = torch.zeros_like(rest)
        label, largest = (zero if slope is None else slope for slope in (label, largest))
        again = torch.is_grad_enabled()  # a second derivative goes through what is read here
        if again:
            parts = (logits - logits.gather(-1, peak)).exp().scatter(-1, peak, 0.0)
            rest = parts.sum(dim=-1)
        share = 1.0 / (1.0 + rest)
        gradient = parts * (-(label + largest) * share)[..., None]
        # Of a share near 1 what counts is the rest.
        at_peak = largest * rest * share - label * share
        at_label = gradient.gather(-1, places).squeeze(-1) + label
        at_label = torch.where((places == peak).squeeze(-1), (label + largest) * rest * share, at_label)
        for place, value in ((peak, at_peak), (places, at_label)):
            scatter = gradient.scatter if again else gradient.scatter_
            gradient = scatter(-1, place, value[..., None])
        return gradient, None
