"""The papers' networks, called as `keras.applications` are: (input_shape, num_classes, classifier_activation)."""

from keras_robust.models.backbone import from_backbone
from keras_robust.models.pretrained import Pretrained, load_pretrained
from keras_robust.models.resnet import resnet18, resnet32, resnet34, resnet50, wide_resnet101
from keras_robust.models.small import cnn2, cnn4, cnn8, mlp1024
from keras_robust.models.vgg import vgg19_bn

__all__ = [
    "Pretrained",
    "cnn2",
    "cnn4",
    "cnn8",
    "from_backbone",
    "load_pretrained",
    "mlp1024",
    "resnet18",
    "resnet32",
    "resnet34",
    "resnet50",
    "vgg19_bn",
    "wide_resnet101",
]
