"""What a report says of one run, part by part."""

import json
import shlex

import numpy as np

from keras_robust.checks import refuse
from keras_robust.diagnostics.accuracy import CleanAccuracy
from keras_robust.diagnostics.believed import estimated_transition
from keras_robust.diagnostics.pages import Cards, Html, cards_of, element
from keras_robust.diagnostics.report import figures
from keras_robust.diagnostics.report.figures import percent, signed
from keras_robust.diagnostics.review_size import review_count
from keras_robust.diagnostics.runs import LoggedRun, by_name
from keras_robust.diagnostics.samples import Samples, samples_of_run
from keras_robust.diagnostics.statistics import groups_by_label, margin_histograms
from keras_robust.digests import digest
from keras_robust.measures import ESTIMATED, WORDS, headings, measure, measure_log
from keras_robust.noise.estimate import Estimate
from keras_robust.noise.transition import realized

# Settings that say nothing, as they are printed.
_UNSET = ("null", "[]", "{}")


def result_of(run: LoggedRun) -> dict:
    """What was measured on a run: its result.json; of one that is not finished, what its epochs show so far.

    Raises:
        ValueError: naming the file, if it is damaged.
    """
    file = run.folder / "result.json"
    if file.is_file():
        return by_name(file, "what was measured")
    return measure(list(run.history), run.log) if run.accuracy is not None else measure_log(run.log)


def state(run: LoggedRun) -> str:
    """How far a run has come."""
    logged, epochs = run.log.epochs[-1] + 1, run.settings.get("epochs")
    if (run.folder / "result.json").is_file():
        return f"finished, {epochs or logged} epochs"
    if epochs is None:
        return f"{logged} epochs logged"
    return f"unfinished: {logged} of {epochs} epochs"


def measures(result: dict) -> Html:
    """The table of measures, in per cent."""
    rows = []
    for name, heading in headings([result]).items():
        value = result.get(name)
        text = "-" if value is None else percent(value)
        if name == ESTIMATED and value is not None:
            text = str(_clean_accuracy(result))
        rows.append(element("tr", element("th", " ".join(heading.split()), scope="row"), element("td", text)))
    return element("table", element("tbody", *rows), class_="measures")


def parts(run: LoggedRun, given: dict, n: int, level: int, mark: str) -> Html:
    """All parts of a run under headings of a level; `mark` makes their anchors its own.

    Args:
        given: of the samples, by the names that `samples_of_run` has.
        n: how many suspects.
    """
    result = result_of(run)
    shown, names, cards, told = _samples(run, given, n)
    # A log of ids alone has as many classes as it shows; names may be of more.
    made = {
        "Measures": measures(result),
        "Training": _training(run),
        "Margins": _margins(run),
        "The noise found": _noise(run, result, cards.names if names is not None else None),
        "Suspects": _suspects(run, cards, told),
        "Settings": _settings(run, shown),
    }
    return Html("".join(_part(title, content, level, mark) for title, content in made.items()))


def anchor(title: str, mark: str) -> str:
    return f"{mark}{title.lower().replace(' ', '-')}"


def _part(title, content, level, mark):
    return element("section", element(f"h{level}", title, id=anchor(title, mark)), content, class_="part")


def _training(run):
    try:
        pictures = [figures.training(run).html()]
    except ValueError:  # nothing is known of test data or of clean labels
        missing = "Neither a test accuracy nor clean labels are known, so that there are no curves of them."
        pictures = [element("p", missing, class_="note")]
    rate = figures.rate(run)
    missing = "The loss gives no sample a weight of its own, so that there is no effective learning rate."
    pictures.append(element("p", missing, class_="note") if rate is None else rate.html())
    return element("div", *pictures, class_="plots")


def _margins(run):
    """Histograms of the margins, and beside them their means."""
    try:
        found = margin_histograms(run.log)
    except ValueError:
        return element("p", "No margin is a number: training diverged, or saw no sample.", class_="note")
    groups = {name: members for name, members in groups_by_label(run.log).items() if members.any()}
    means = {name: [_mean_margin(run.log.epoch(epoch), groups[name]) for epoch in found.epochs] for name in groups}
    head = ("epoch", *(f"{name} labels" for name in means))
    rows = (
        element("tr", element("th", epoch + 1, scope="row"), *(element("td", signed(one)) for one in row))
        for epoch, *row in zip(found.epochs, *means.values(), strict=True)
    )
    caption = element("caption", "Mean margin of the given label")
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in head)))
    table = element("table", caption, head, element("tbody", *rows), class_="means")
    return element("div", figures.margins(found, means).html(), table, class_="plots")


def _mean_margin(records, members):
    margins = records["margin"][members & (records["label"] >= 0)]
    margins = margins[np.isfinite(margins)]
    return float(margins.mean(dtype="float64")) if margins.size else float("nan")


def _noise(run, result, names):
    classes, pictures, facts = None if names is None else len(names), [], {}
    try:
        found = estimated_transition(run.log, classes)
    except ValueError as error:
        facts["Share of wrong labels"] = f"not estimated: {error}"
    else:
        pictures.append(figures.transition(found, names, estimated=True))
        facts["Share of wrong labels, estimated"] = percent(found.rate)
        if run.log.clean is not None:
            true = _truth(run, len(found.transition))
            pictures.append(figures.transition(true, names, estimated=False))
            facts["Share of wrong labels, true"] = percent(true.rate)
    facts |= {"Worth a look": _worth_a_look(run), "Accuracy on clean labels": _accuracy(run, result)}
    listed = [element(tag, text) for fact in facts.items() for tag, text in zip(("dt", "dd"), fact, strict=True)]
    drawn = element("div", *(picture.html() for picture in pictures), class_="plots")
    return Html(element("dl", *listed) + drawn)


def _truth(run, K):
    """The realized transition matrix and rate of the labels whose clean ones are known."""
    labels, clean = run.log.labels, run.log.clean
    known = (labels >= 0) & (clean >= 0)
    return Estimate(realized(clean[known], labels[known], K), float(run.log.wrong.sum() / max(known.sum(), 1)))


def _worth_a_look(run):
    try:
        count, share, precision = review_count(run.log)
    except (ValueError, ImportError) as error:
        return f"not counted: {error}"
    if not count:
        return "0 labels: none is more likely wrong than right"
    found = f"{count:,} label{'s' * (count != 1)} ({percent(share)})"
    return f"{found}, of which {percent(precision[count - 1])} are expected to be wrong"


def _clean_accuracy(result):
    return CleanAccuracy(*(result[f"{ESTIMATED}{end}"] for end in ("", "_low", "_high")))


def _accuracy(run, result):
    """The accuracy that is estimated from noisy labels, or why it is not."""
    if result.get(ESTIMATED) is not None:
        return f"{_clean_accuracy(result)}; {result.get(WORDS, 'of noisy labels that were held out')}"
    if WORDS in result:
        return result[WORDS]
    if run.settings.get("validation_labels") == "noisy":
        return "not estimated yet: it is when the run ends"
    return "not estimated: no labels were held out (keras-robust compare --validation 0.1 holds a tenth)"


def _suspects(run, cards, told):
    seen = np.count_nonzero(run.log.labels >= 0)
    about = f"The {len(cards.suspects):,} of lowest mean margin, of {seen:,} labels: given → what the model believes."
    page = run.folder / "review.html"
    command = element("code", f"keras-robust review {shlex.quote(str(run.folder))}")
    hint = element("p", "To decide on each, keep, correct or drop: ", command, class_="note")
    if page.is_file():
        hint = element("p", "Decide on each with ", command, ", which has written its page already.", class_="note")
    notes = [element("p", about), hint] + ([element("p", told, class_="note")] if told else [])
    return Html(
        "".join(notes) + element("ol", *(_card(cards, at) for at in range(len(cards.suspects))), class_="cards")
    )


def _card(cards: Cards, at):
    one = cards.suspects[at]
    believed = one.believed_name or "nothing"
    known = {None: None, True: "wrong label", False: "right label"}[one.wrong]
    arrow = element("span", "→", class_="arrow")
    given_and_believed = (element("span", name, title=name) for name in (one.given_name, believed))
    first, second = given_and_believed
    told = element(
        "div",
        element("div", first, arrow, second, class_="names"),
        element(
            "div",
            element("span", f"#{one.sample} · margin {signed(one.mean_margin)}", class_="facts"),
            None if known is None else element("span", known, class_="state"),
            class_="line",
        ),
        _curve(cards.curves[at], cards.range),
        class_="told",
    )
    picture = None
    if cards.images is not None:
        look = "picture small" if cards.small[at] else "picture"
        picture = element("img", class_=look, src=cards.images[at], alt=f"sample {one.sample}", loading="lazy")
    text = None if cards.texts is None else element("p", cards.texts[at], class_="text")
    path = None if cards.paths is None else element("div", cards.paths[at], class_="path", title=cards.paths[at])
    wrong = None if one.wrong is None else "wrong" if one.wrong else "right"
    return element("li", element("div", picture, told, class_="top"), text, path, class_="card", data_label=wrong)


def _curve(values, borders):
    """The margin over the epochs as a small picture; all cards have the same scale, and a dashed line at 0."""
    low, high = borders

    def y(value):
        return f"{34 * (high - value) / (high - low or 1):.1f}"

    step = 100 / max(len(values) - 1, 1)
    points = [f"{step * epoch:.1f},{y(value)}" for epoch, value in enumerate(values) if np.isfinite(value)]
    known = values[np.isfinite(values)]
    label = f"margin from {signed(known[0])} to {signed(known[-1])}" if known.size else "no margin"
    drawn = (element("line", x1=0, x2=100, y1=y(0), y2=y(0)), element("polyline", points=" ".join(points)))
    box = {"viewBox": "0 0 100 34", "preserveAspectRatio": "none", "role": "img", "aria_label": label}
    return element("svg", *drawn, class_="curve", **box)


def _settings(run, shown):
    facts = dict(_flat(run.settings))
    unset = [name for name, text in facts.items() if text in _UNSET]
    facts = {name: text for name, text in facts.items() if name not in unset} | _checksums(run, shown)
    if unset:
        facts["not set"] = ", ".join(unset)
    rows = (element("tr", element("th", name, scope="row"), element("td", text)) for name, text in facts.items())
    return element("table", element("tbody", *rows), class_="settings")


def _flat(settings, before=""):
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value)


def _checksums(run, shown):
    """What tells data and log from any others: the first 16 digits of SHA-256."""
    found = {"checksum of the log": run.log.checksum(), "checksum of the given labels": digest([run.labels()])}
    if isinstance(shown.images, np.ndarray):
        found["checksum of the images"] = digest([shown.images])
    return found


def _samples(run, given, n):
    """The samples of a run, the names of its classes, its suspects, and why there are no pictures, or None.

    What was not asked for does not keep a report from being written: a data set or images that the run's folder names,
    and that are not there any more.
    """
    own, told = "report_page", None
    try:
        shown, names = samples_of_run(own, run, **given)
        cards = cards_of(own, run, shown, names, n)
    except (FileNotFoundError, ImportError, ValueError) as error:
        if any(value is not None for name, value in given.items() if name != "class_names"):
            raise
        told = f"No pictures: {error}"
        shown, names = Samples(), run.class_names if given["class_names"] is None else given["class_names"]
        cards = cards_of(own, run, shown, names, n)
    if told is None and shown.images is None and shown.texts is None:
        told = "No pictures: the run names no data set. Give its images, --images FOLDER."
    return shown, names, cards, told


def check_count(n) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        refuse("report_page", "n", "a whole number of at least 0", n)
    return int(n)
