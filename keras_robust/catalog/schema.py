"""What a row of the catalog is: a data set, and the ways in which papers prepare its images."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class ImageRecipe:
    """What happens to the images of a data set.

    Attributes:
        name: what it is called, after the paper that it is from.
        mean, std: subtracted from and divided into images in [0, 1], by channel.
        source: where the numbers are from.
        shift: pixels of zero padding around an image before it is cropped at random to its size.
        flip: whether half of the images are mirrored, left and right exchanged.
        rotation: largest angle of a random rotation, in degrees; corners are filled with zeros.
        jitter: largest changes of brightness, contrast, saturation and hue (in turns of the color circle).
        resize: length to which the shorter side of an image from disk is brought; None: as it is.
        size: side of the square cut out of an image from disk.
        crop: how that is done for training: "center"; "random"; "resized", a random part of 8% to 100% of the area with
            sides of ratio 3/4 to 4/3, brought to that size. Test images are always resized and cut at the center.
    """

    name: str
    mean: tuple
    std: tuple
    source: str
    shift: int = 0
    flip: bool = False
    rotation: float = 0.0
    jitter: tuple | None = None
    resize: int | None = None
    size: int | None = None
    crop: str = "center"

    @classmethod
    def of(cls, fields) -> "ImageRecipe":
        """The recipe with these fields, a dict as `to_dict` gives it, or the recipe itself."""
        if isinstance(fields, cls):
            return fields
        pairs = fields.items()
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in pairs})

    def to_dict(self) -> dict:
        """Its fields."""
        return asdict(self)


@dataclass(frozen=True)
class Dataset:
    """One row of the catalog.

    Attributes:
        name: what `data.load` calls it.
        classes: names of the classes by id, or their number where the names are read with the images.
        train_size, test_size: images to train on and to test on, as published. No images to train on: the data set is
            for testing alone. None: nobody prints the number.
        reader: what reads its files, a name of `data.reading.READERS`.
        recipes: what happens to its images; the first is the default.
        image_shape: of every image as it is stored; None where sizes differ.
        images_of: the data set whose images it has, under other labels or with fewer classes; None: its own.
        human: the noise string of the labels that people gave, where these are what it is about.
        wrong_as_given: whether the labels to train on are wrong as they come, and the true ones unknown.
        similar: asymmetric noise, pairs (from, to) by variant, the first of which is the default. The pairs are flipped
            at once, in the variant "sequential" one after the other.
        network: what `compare` trains on it, a name of `models`; None: it cannot be compared on.
        files: what tells the images of a user's own folder from others, as `data.own_images` has it; None: a published
            data set.
    """

    name: str
    classes: tuple | int
    train_size: int | None
    test_size: int
    reader: str
    recipes: tuple[ImageRecipe, ...]
    image_shape: tuple | None = None
    images_of: str | None = None
    human: str | None = None
    wrong_as_given: bool = False
    similar: dict = field(default_factory=dict)
    network: str | None = None
    files: str | None = None

    @classmethod
    def of(cls, fields) -> "Dataset":
        """The row with these fields, a dict as JSON gives it back, or the row itself."""
        if isinstance(fields, cls):
            return fields
        classes = fields["classes"]
        classes = classes if isinstance(classes, int) else tuple(classes)
        recipes = tuple(map(ImageRecipe.of, fields["recipes"]))
        return cls(**{**fields, "classes": classes, "recipes": recipes})

    @property
    def num_classes(self) -> int:
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    @property
    def class_names(self) -> tuple:
        """Names of the classes by id; their numbers where only the files have names."""
        return tuple(map(str, range(self.classes))) if isinstance(self.classes, int) else self.classes

    @property
    def stored(self) -> str:
        """The name under which its images are stored."""
        return self.images_of or self.name

    @property
    def untested(self) -> bool:
        """Whether there are no images to test on, so that some are held out with the labels that they have."""
        return self.test_size == 0

    @property
    def test_only(self) -> bool:
        """Whether there are no images to train on."""
        return self.train_size == 0
