"""Names of classes, and which classes are taken for which: lists too long to stand in a row."""

DIGITS = tuple("0123456789")
FASHION = tuple("T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot".split("|"))
CIFAR10 = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
CIFAR100 = tuple(
    """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm""".split()
)
ANIMALS = ("cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster", "guinea pig")
CLOTHES = tuple(
    "T-Shirt|Shirt|Knitwear|Chiffon|Sweater|Hoodie|Windbreaker|Jacket|Down Coat|Suit|Shawl|Dress|Vest|Underwear".split(
        "|"
    )
)

# The super-class of each of the 100 classes, both numbered alphabetically (Krizhevsky 2009).
CIFAR100_SUPERCLASSES = (
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
    *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
    *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
    *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
)


def cycles(groups) -> tuple:
    """Pairs (from, to): each class becomes the next one of its group, the last of a group the first.

    Example:

    >>> cycles((0, 1, 0, 1, 0))
    ((0, 2), (2, 4), (4, 0), (1, 3), (3, 1))
    """
    members = {group: [i for i, other in enumerate(groups) if other == group] for group in groups}
    return tuple(pair for ids in members.values() for pair in zip(ids, [*ids[1:], ids[0]], strict=True))


# (from, to), in the order in which published code flips them.
SIMILAR_DIGITS = ((7, 1), (2, 7), (5, 6), (6, 5), (3, 8))
SIMILAR_FASHION = ((9, 7), (7, 5), (2, 6), (4, 3), (3, 4))
SIMILAR_CIFAR10 = ((9, 1), (2, 0), (3, 5), (5, 3), (4, 7))
CIFAR100_IN_SUPERCLASSES = cycles(CIFAR100_SUPERCLASSES)
CIFAR100_IN_BLOCKS = cycles([i // 5 for i in range(100)])
