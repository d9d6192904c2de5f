"""What is known of a paper's figure: its caption, and how it is drawn if that needs no training."""

from collections.abc import Callable
from dataclasses import dataclass

#: The papers, as recipes name them.
PAPERS = {
    "anl": "Ye et al. 2023",
    "apl": "Ma et al. 2020",
    "curriculum": "Ou & Zhang 2023",
    "dal": "Li et al. 2023",
    "logit-bias": "Staats et al. 2023",
}


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper.

    Attributes:
        name: the paper as in `PAPERS`, a slash and the figure's number, "appendix-" before those of an appendix.
        caption: what it shows, one line.
        drawing: the function that draws it; None for a figure of training, which `recipes.figures` draws from runs.
        needs_images: whether the function takes `data_dir`, the folder of the images that it looks at.
    """

    name: str
    caption: str
    drawing: Callable | None = None
    needs_images: bool = False

    @property
    def reference(self) -> str:
        """The paper and the figure's number: "Staats et al. 2023, appendix, Fig. 1"."""
        paper, number = self.name.split("/")
        place = number.replace("appendix-", "appendix, Fig. ") if "appendix" in number else f"Fig. {number}"
        return f"{PAPERS[paper]}, {place}"
