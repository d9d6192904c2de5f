"""Rows on PyTorch: one autograd function for all that is read, in place where it can be.

Plain autograd makes a (batch, classes) gradient for each sum and adds them up, and keeps more than one tensor of that
shape. PyTorch runs eagerly and cannot look ahead: what an earlier step asked for is read in one go.
"""

import math
from functools import cached_property

import torch

from keras_robust.losses.rows.generic import Rows

LOWEST = -80.0  # below it exp(low) is too small for float32


class BackendRows(Rows):
    def __init__(self, logits, ids, expected):
        super().__init__(logits, ids, expected)
        self._known = {}
        self._places = None if ids is None else ids.long()[..., None]

    @cached_property
    def log_probs(self):
        return torch.log_softmax(self.logits, dim=-1)

    at_ids = property(lambda self: self._read("at_ids"))
    total = property(lambda self: self._read("total"))
    largest = property(lambda self: self._read("largest"))

    def above(self, low):
        return self._read(low) if isinstance(low, float) and low > LOWEST else super().above(low)

    @cached_property
    def margin(self):
        return _Margin.apply(self.logits, self._places)[0]

    def pick(self, values):
        return values.gather(-1, self._places).squeeze(-1)

    def _read(self, name):
        self.asked |= {name}
        if name not in self._known:
            names = {name} | (self.expected - self._known.keys())
            low = next((low for low in (name, *names) if isinstance(low, float)), None)
            places = self._places if "at_ids" in names else None
            *read, _, _, _ = _Read.apply(self.logits, places, "total" in names, "largest" in names, low)
            known = zip(("at_ids", "total", "largest", low), read, strict=True)
            self._known |= {key: value for key, value in known if value is not None}
        return self._known[name]


class _Read(torch.autograd.Function):
    """Entry, sum, maximum and sum above `low` of the rows of log p, with one gradient for those asked for.

    Keeps exp(z - top) and its sum; where `low` is asked for p, so that a number tells what is above.
    """

    @staticmethod
    def forward(logits, places, total, largest, low):
        top, top_places = logits.max(dim=-1, keepdim=True) if largest else (logits.amax(dim=-1, keepdim=True), None)
        shifted = logits - top
        at_ids = None if places is None else shifted.gather(-1, places).squeeze(-1)
        total = shifted.sum(dim=-1) if total else None
        parts = shifted.exp_() if low is None else shifted.exp()
        whole = parts.sum(dim=-1)
        log_whole = whole.log()
        above = None
        if low is not None:
            above = shifted.sub_((log_whole + low)[..., None]).relu_().sum(dim=-1)
            parts.mul_((1.0 / whole)[..., None])
            whole = torch.ones_like(whole)
        return (
            None if at_ids is None else at_ids - log_whole,
            None if total is None else total - logits.shape[-1] * log_whole,
            -log_whole if largest else None,
            above,
            parts,
            whole,
            top_places,
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        logits, places, _, _, ctx.low = inputs
        *_, parts, whole, top_places = output
        ctx.mark_non_differentiable(parts, whole, *(() if top_places is None else (top_places,)))
        ctx.save_for_backward(logits, places, parts, whole, top_places)

    @staticmethod
    def backward(ctx, at_ids, total, largest, above, *_):
        logits, places, parts, whole, top_places = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative goes through them
            parts, whole = torch.softmax(logits, dim=-1), torch.ones_like(whole)
        slopes = (at_ids, None if total is None else logits.shape[-1] * total, largest)
        pull = sum((slope for slope in slopes if slope is not None), torch.zeros_like(whole))
        if above is None:
            gradient = parts * (-pull / whole)[..., None]
        else:
            gradient = torch.ops.aten.threshold_backward(above[..., None].expand_as(parts), parts, math.exp(ctx.low))
            pull = pull + gradient.sum(dim=-1)
            gradient = gradient.addcmul_(parts, -pull[..., None])
        if total is not None:
            gradient = gradient.add_(total[..., None])
        for where, slope in ((places, at_ids), (top_places, largest)):
            if slope is not None:
                gradient = gradient.scatter_add_(-1, where, slope[..., None])
        return gradient, None, None, None, None


class _Margin(torch.autograd.Function):
    """Logit at `places` minus the log-sum-exp of the others."""

    @staticmethod
    def forward(logits, places):
        others = logits.scatter(-1, places, -math.inf)
        top = others.amax(dim=-1, keepdim=True)
        parts = others.sub_(top).exp_()
        whole = parts.sum(dim=-1)
        return (logits.gather(-1, places) - top).squeeze(-1) - whole.log(), parts, whole

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        _, parts, whole = output
        ctx.mark_non_differentiable(parts, whole)
        ctx.save_for_backward(*inputs, parts, whole)

    @staticmethod
    def backward(ctx, slope, *_):
        if slope is None:
            return None, None
        logits, places, parts, whole = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative goes through them
            parts, whole = torch.softmax(logits.scatter(-1, places, -math.inf), dim=-1), torch.ones_like(whole)
        gradient = parts * (-slope / whole)[..., None]
        return gradient.scatter_add_(-1, places, slope[..., None]), None
