"""Images and labels of a row of the catalog, from wherever it says they are."""

from keras_robust.catalog import Dataset
from keras_robust.data.folders import ON_DISK, Folder
from keras_robust.data.image_folders import read_images
from keras_robust.data.sources import IN_MEMORY, Arrays

READERS = IN_MEMORY | ON_DISK | {"images": read_images}
"""What reads a data set, (row, data_dir, download), by what the catalog calls it."""


def read_dataset(row: Dataset, data_dir=None, download: bool = False) -> Arrays | Folder:
    """The images and the labels that are stored, those of people aside.

    Args:
        row: of the catalog.
        data_dir, download: as `load` takes them.

    Raises:
        ValueError: for a file that does not hold what it should, or data on disk without a folder.
        FileNotFoundError: naming what is missing.
        ImportError: if a package that reads the data is not installed.

    Example:

    >>> from keras_robust.catalog import CATALOG
    >>> read_dataset(CATALOG["digits"]).y_test.shape
    (359,)
    """
    return READERS[row.reader](row, data_dir, download)
