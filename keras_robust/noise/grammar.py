"""The grammar of noise strings, "KIND[.VARIANT]:ARGUMENT", and what each of them means in words."""

from dataclasses import dataclass

from keras_robust.noise.transition import default_variant


@dataclass(frozen=True)
class Kind:
    """One kind of noise.

    Attributes:
        words: where a replaced label goes, in words.
        argument: what stands behind the colon.
        variants: words of the variants that may follow a dot; the kind without one stands under None.
    """

    words: str = ""
    argument: str = "RATE"
    variants: dict | None = None

    def describe(self, variant):
        return self.words if self.variants is None else self.variants[variant]


_SIMILAR = "similar classes of the data set, drawn from the clean labels; the rate is that inside these classes"

KINDS = {
    "symmetric": Kind("replaced by one of the K - 1 other classes, so the rate is that of wrong labels"),
    "symmetric+true": Kind(
        "resampled over all K classes, the true one included, so only (K - 1) / K of the rate are wrong"
    ),
    "pair": Kind("class i becomes i + 1, the last one 0"),
    "asymmetric": Kind(
        variants={
            None: _SIMILAR,
            "clean": _SIMILAR,
            "sequential": "similar classes of the data set, one pair after the other on labels already changed, as in "
            "the released code of APL: some cats become dogs and then cats again",
            "superclass": "each class becomes the next one of the same true super-class",
            "blocks": "each class becomes the next one in its block of five consecutive ids, as in the released code "
            "of APL and ANL",
        }
    ),
    "instance": Kind(
        "the rate of each sample from a truncated normal distribution, its class from a random projection of its "
        "features (Xia et al. 2020)"
    ),
    "human": Kind("labels that people gave (CIFAR-N, Wei et al. 2022)", argument="NAME"),
}


@dataclass(frozen=True)
class Noise:
    """A noise string taken apart: `rate` or `name` holds its argument."""

    kind: str
    variant: str | None = None
    rate: float | None = None
    name: str | None = None


def parse(spec: str) -> Noise:
    """Takes a noise string apart; the range of a rate is checked where the rate is used.

    Raises:
        ValueError: for a string that does not follow the grammar.

    Example:

    >>> parse("asymmetric.blocks:0.3")
    Noise(kind='asymmetric', variant='blocks', rate=0.3, name=None)
    """
    head, _, argument = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    name, _, variant = head.partition(".")
    kind, variant = KINDS.get(name), variant or None
    known = kind is not None and (variant is None or variant in (kind.variants or ()))
    if known and kind.argument == "NAME" and argument:
        return Noise(name, variant, name=argument)
    try:
        if not known or kind.argument == "NAME" or head.endswith("."):
            raise ValueError
        return Noise(name, variant, rate=float(argument))
    except ValueError:
        forms = ", ".join(f'"{form}"' for form in _forms())
        raise ValueError(f"Noise must be None or one of {forms}, with a rate in [0, 1]. Received: {spec!r}.") from None


def _forms():
    for name, kind in KINDS.items():
        for variant in kind.variants or (None,):
            yield f"{name}{'.' + variant if variant else ''}:{kind.argument}"


def convention(spec: str | None, exact: bool = False, dataset: str | None = None) -> str | None:
    """What a noise string means, in words; None for a text that is not a noise string.

    Example:

    >>> convention("asymmetric:0.3", dataset="cifar100")
    'each class becomes the next one of the same true super-class; each label drawn by itself'
    """
    try:
        noise = parse(spec)
    except ValueError:
        return None
    variant = noise.variant
    if noise.kind == "asymmetric" and variant is None and dataset is not None:
        variant = default_variant(dataset)
    words = KINDS[noise.kind].describe(variant)
    if noise.kind in ("instance", "human"):
        return words
    drawn = "floor(n_i T_ij) labels of class i become j" if exact else "each label drawn by itself"
    return f"{words}; {drawn}"
