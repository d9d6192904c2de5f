"""Data sets with wrong labels, ready for training: `load` by name, `with_provenance` for data of your own."""

from keras_robust.data.feed import Epochs, Feed
from keras_robust.data.gallery import Gallery, gallery
from keras_robust.data.generated import generated
from keras_robust.data.image_folders import own_images
from keras_robust.data.loading import DatasetInfo, Splits, load
from keras_robust.data.noisy import load_noisy
from keras_robust.data.pipeline import hide_gpus_from_tensorflow
from keras_robust.data.preprocessing import Preprocessing, for_serving
from keras_robust.data.provenance import with_provenance
from keras_robust.data.sources import Arrays, load_arrays
from keras_robust.data.validation import as_tested, held_out

__all__ = [
    "Arrays",
    "DatasetInfo",
    "Epochs",
    "Feed",
    "Gallery",
    "Preprocessing",
    "Splits",
    "as_tested",
    "for_serving",
    "gallery",
    "generated",
    "held_out",
    "hide_gpus_from_tensorflow",
    "load",
    "load_arrays",
    "load_noisy",
    "own_images",
    "with_provenance",
]
