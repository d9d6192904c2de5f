"""What several papers share: Ma et al. set it, Ye et al. and Ou & Zhang follow; Li et al. on mini-WebVision alone."""

#: log(1e-4): what released code clamps the one-hot label at.
RCE_A = "A=-9.210340371976182"
RCE_IN_PRINT = "A of RCE: printed as -4; the code clamps the one-hot label at 1e-4"

SYMMETRIC = tuple(f"symmetric:{rate}" for rate in (0.2, 0.4, 0.6, 0.8))
ASYMMETRIC = tuple(f"asymmetric:{rate}" for rate in (0.1, 0.2, 0.3, 0.4))


def variant(noises, name):
    """The same noises by other rules: "asymmetric:0.1" to "asymmetric.blocks:0.1"."""
    return tuple(noise.replace(":", f"{name}:") for noise in noises)


BLOCKS = variant(ASYMMETRIC, ".blocks")

_STEPS = {"batch_size": 128, "learning_rate": 0.01, "schedule": "cosine", "momentum": 0.9, "augmentation": "anl"}
MNIST = _STEPS | {"dataset": "mnist", "network": "cnn4", "epochs": 50}
CIFAR10 = _STEPS | {"dataset": "cifar10", "network": "cnn8", "epochs": 120, "weight_decay": 1e-4}
CIFAR100 = _STEPS | {
    "dataset": "cifar100",
    "network": "resnet34",
    "epochs": 200,
    "learning_rate": 0.1,
    "weight_decay": 1e-5,
}
CLIPPED = {"clip_norm": 5.0}
WEBVISION = CLIPPED | {
    "dataset": "mini_webvision",
    "network": "resnet50",
    "epochs": 250,
    "batch_size": 512,
    "learning_rate": 0.4,
    "schedule": "exponential",
    "decay": 0.97,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 3e-5,
    "augmentation": "anl",
}
