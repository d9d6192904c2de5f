"""The review page in a real browser: keys, mouse, what it keeps, writes and loads."""

import csv
import json

import numpy as np
import pytest
from browser import started
from harness import once

from keras_robust import diagnostics
from keras_robust.weight_log import RECORD, write_epoch

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium, of tests/requirements.txt").Keys

pytestmark = once
NAMES = ["cat", "dog", "cow"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory.mktemp("downloads"))
    yield driver
    driver.quit()


class Page:
    """What a person does on a page, and sees."""

    def __init__(self, driver, path):
        self.driver, self.url = driver, path.as_uri()
        self.downloads = path.parent / "downloads"
        folder = {"behavior": "allow", "downloadPath": str(self.downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.open()
        driver.execute_script("localStorage.clear()")  # pages of one log share what was decided
        self.open()

    def open(self):
        self.driver.get(self.url)
        self.wait_until(lambda: self.one("#cards").get_attribute("aria-busy") == "false")

    def wait_until(self, seen):
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 10, 0.05).until(lambda _: seen())

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def keys(self, *keys):
        for key in keys:
            self.settled()
            self.driver.switch_to.active_element.send_keys(key)

    def settled(self):
        """After what the last action asked to be drawn: a click or a key on what is being replaced would be lost."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def press(self, sample, kind):
        self.settled()
        self.one(f"[data-sample='{sample}'] .{kind}").click()

    def choose(self, select, text):
        for option in self.all(f"#{select} option"):
            if option.text == text:
                return option.click()
        raise AssertionError([option.text for option in self.all(f"#{select} option")])

    @property
    def counts(self):
        return self.one("#counts").text

    @property
    def current(self):
        return int(self.one(".card.current").get_attribute("data-sample"))

    @property
    def samples(self):
        """Those in sight, from the upper left to the lower right."""
        return self.js("[...document.querySelectorAll('.card')].map((card) => Number(card.dataset.sample))")

    def js(self, code, *arguments):
        return self.driver.execute_script(f"return {code}", *arguments)

    def downloaded(self):
        """Rows of corrections.csv, as numbers and the decision."""
        file = self.downloads / "corrections.csv"
        file.unlink(missing_ok=True)
        self.settled()
        self.one("#download").click()
        self.wait_until(lambda: file.exists() and file.stat().st_size)
        with open(file, newline="") as opened:
            head, *rows = csv.reader(opened)
        assert head == ["sample", "given", "corrected", "decision"]
        return [(*map(int, row[:3]), row[3]) for row in rows]


@pytest.fixture
def page_of(browser, tmp_path):
    """page_of(labels, clean, ...): the page of a log, open in the browser."""

    def make(labels, clean, **keywords):
        log = tmp_path / f"log-{len(labels)}"
        for epoch in range(3):
            records = np.zeros(len(labels), RECORD)
            records["label"], records["predicted"], records["clean"] = labels, clean, -1
            wrong = np.not_equal(labels, clean)
            records["margin"] = np.where(wrong, -2.0 - epoch, 2.0) - np.arange(len(labels)) / len(labels)
            write_epoch(log, epoch, records)
        return Page(browser, diagnostics.review_page(log, tmp_path / "page.html", **keywords))

    return make


@pytest.fixture
def pets(page_of):
    """Twelve texts; the suspects are 9 (cow, believed cat), 7 (dog, cow), 5 (cat, dog), then the others from 11 on."""
    labels = np.arange(12) % 3
    labels[[9, 7, 5]], clean = [2, 1, 0], labels.copy()
    clean[[9, 7, 5]] = [0, 2, 1]
    texts = [f"text {number}" for number in range(12)]
    return page_of(labels, clean, texts=texts, class_names=dict(enumerate(NAMES)), n=6)


def test_keys_decide_undo_and_survive_a_reload(pets):
    assert pets.samples == [9, 7, 5, 11, 10, 8]
    assert pets.one("[data-sample='9'] .names").text == "cow\n→\ncat"
    assert pets.one("[data-sample='9'] .text").text == "text 9"
    assert pets.current == 9
    pets.keys("k")
    assert pets.current == 7
    pets.keys("b", "d", "0")
    assert pets.current == 10
    pets.keys("c", "co", Keys.ENTER)
    assert pets.counts == "5 of 6 decided: 1 kept, 3 changed, 1 dropped"
    rows = [(5, 0, 0, "drop"), (7, 1, 2, "fix"), (9, 2, 2, "keep"), (10, 1, 2, "fix"), (11, 2, 0, "fix")]
    assert pets.downloaded() == rows
    pets.open()
    assert pets.current == 8
    assert pets.downloaded() == rows
    pets.keys("u")
    assert pets.current == 10
    pets.keys(Keys.CONTROL + "z")
    assert pets.one("#said").get_attribute("textContent") == "Undone: sample 11"
    assert pets.downloaded() == rows[:3]
    pets.keys("1", Keys.HOME, Keys.ARROW_RIGHT, "b", Keys.END)  # the given class is kept; decided anew
    assert pets.current == 8
    assert pets.downloaded()[1:] == [(7, 1, 2, "fix"), (9, 2, 2, "keep"), (11, 2, 1, "fix")]


def test_nothing_is_read_or_decided_before_the_browser_answers(pets):
    pets.keys("k")
    hold = """
        StorageManager.prototype.persisted = () => new Promise((answer) => { window.answer = answer; });
        const { get } = Object.getOwnPropertyDescriptor(window, "localStorage");
        Object.defineProperty(window, "localStorage", { get() { window.touched = true; return get.call(window); } });
    """
    held = pets.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hold})
    pets.driver.get(pets.url)
    pets.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", held)
    pets.keys("d")
    assert not pets.js("window.touched")
    assert pets.samples == []
    pets.js("answer()")
    pets.wait_until(lambda: pets.samples)
    assert pets.js("touched")
    assert pets.counts == "1 of 6 decided: 1 kept, 0 changed, 0 dropped"


def test_mouse(pets):
    pets.press(9, "take")
    pets.press(7, "keep")
    pets.press(5, "drop")
    pets.press(11, "other")
    assert [item.text for item in pets.all("#classes li")] == ["cat (0)", "dog (1)", "cow (2)"]
    pets.one("#class-1").click()
    assert pets.downloaded() == [(5, 0, 0, "drop"), (7, 1, 1, "keep"), (9, 2, 0, "fix"), (11, 2, 1, "fix")]
    assert pets.one("[data-sample='11'] .state").text == "now dog"
    pets.press(5, "drop")  # again: taken back
    pets.one("#undo").click()
    pets.one("#undo").click()
    pets.press(8, "other")
    pets.one("#chooser button").click()  # Cancel
    assert pets.downloaded() == [(5, 0, 0, "drop"), (7, 1, 1, "keep"), (9, 2, 0, "fix")]
    assert not pets.all("[data-sample='8'] .take")  # the model believes what is given


def test_filters(pets):
    pets.keys("k")
    pets.choose("show", "undecided")
    assert pets.samples == [7, 5, 11, 10, 8]
    pets.keys("d")
    assert pets.samples == [5, 11, 10, 8]
    assert pets.current == 5
    pets.choose("given", "cow (3)")
    assert pets.samples == [11, 8]
    pets.choose("show", "all")
    assert pets.samples == [9, 11, 8]
    pets.choose("believed", "cat (1)")
    assert pets.samples == [9]
    pets.choose("given", "dog (2)")
    assert pets.samples == []
    assert pets.one("#nothing").is_displayed()
    pets.keys("k", "c")  # there is nothing to decide on
    assert pets.counts.startswith("2 of 6 decided")
    pets.one("#undo").click()
    pets.choose("given", "all")
    pets.choose("believed", "all")
    pets.choose("show", "decided")
    assert pets.samples == [9]


def test_corrections_are_loaded_back(pets, tmp_path):
    def load(text):
        file = tmp_path / "given.csv"
        file.write_text(text)
        pets.one("#file").send_keys(str(file))
        pets.driver.execute_async_script("setTimeout(arguments[0], 100)")
        return pets.one("#warning").text

    pets.keys("k")
    head = "sample,given,corrected,decision"
    for wrong, words in [
        ("a,b\n1,2\n", "must have the columns"),
        (f"{head}\n9,0,0,keep\n", "belongs to other labels: sample 9 has class 2 here, 0 there"),
        (f"{head}\n7,1,3,fix\n", "line 2 is no decision"),
        (f"{head}\n7,1,2,keep\n", "line 2 is no decision"),
        (f"{head}\n7,1,2,perhaps\n", "line 2 is no decision"),
        (f"{head}\n12,1,2,fix\n", "line 2 is no decision"),
        (f"{head}\n7,1,<b>,fix\n", "line 2 is no decision: 7,1,<b>,fix"),
        ("", "must have the columns"),
    ]:
        assert words in load(wrong), wrong
    assert pets.downloaded() == [(9, 2, 2, "keep")]
    assert load('\ufeffdecision,sample,given,corrected\r\n"fix",7,1,0\r\ndrop,9,2,2\r\nfix,3,0,1\r\n') == ""
    assert pets.counts == "2 of 6 decided: 0 kept, 1 changed, 1 dropped; 1 more from a file"
    assert pets.downloaded() == [(3, 0, 1, "fix"), (7, 1, 0, "fix"), (9, 2, 2, "drop")]
    pets.one("#undo").click()
    assert pets.downloaded() == [(9, 2, 2, "keep")]


HOSTILE = [
    "</script><script>document.title='broken'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title='broken'\">",
    "{{DATA}}{{JS}}",
    "\u2028\u2029\x00'\"`${document.title='broken'}`\\",
    "\udcff\udc80.png",
    "&lt;b&gt;&amp;",
]


def test_what_is_hostile_is_text(page_of):
    labels = np.arange(7)
    page = page_of(labels, labels[::-1], texts=HOSTILE, class_names=HOSTILE, paths=HOSTILE, n=None)
    # A name that is no Unicode cannot leave the browser, so it is compared there.
    texts = "[...document.querySelectorAll(arguments[1])].map((node) => node.textContent)"
    same = f"{texts}.every((text, at) => text === JSON.parse(arguments[0])[at])"
    expected = json.dumps([HOSTILE[sample] for sample in page.samples])
    assert page.js(same, expected, ".text")
    assert page.js(same, expected, ".path")
    page.keys("b", "k", "c")
    assert len(page.all("#classes li")) == 7
    page.keys(Keys.ESCAPE)
    assert page.driver.title == "Labels to review"
    assert page.js("document.querySelectorAll('script, img, b').length") == 2
    assert len(page.downloaded()) == 2
    assert page.driver.get_log("browser") == []


def test_ten_thousand_suspects_build_only_what_is_in_sight(page_of):
    labels = np.zeros(10_000, int)
    page = page_of(labels, labels + 1, n=None)
    assert page.counts.startswith("0 of 10,000")
    assert 6 <= len(page.all(".card")) <= 40
    first = page.samples[0]
    assert first == 9999
    page.keys(Keys.END)
    assert page.current == 0
    assert 3 <= len(page.all(".card")) <= 40
    page.keys("d", Keys.PAGE_UP)
    page.js("scrollTo(0, document.body.scrollHeight / 2)")
    page.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0]))")
    assert any(4000 < sample < 6000 for sample in page.samples)
    assert len(page.all(".card")) <= 40
    page.keys(Keys.HOME, "k")
    assert page.downloaded() == [(0, 0, 0, "drop"), (9999, 0, 0, "keep")]


def test_a_phone_and_a_screen_reader(page_of):
    labels = np.arange(30) % 3
    names = ["a name that is far too long for a card " * 3, "w" * 200, "dog"]
    paths, texts = ["folder/" * 40 + "x.png"] * 30, ["word" * 300] * 30
    page = page_of(labels, (labels + 1) % 3, texts=texts, class_names=names, paths=paths, images=np.eye(30)[:, None])
    for width in (320, 390):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page.open()
        assert page.js("document.documentElement.scrollWidth") <= page.js("innerWidth") == width
        rooms = page.js("[...document.querySelectorAll('button, .card')].map((n) => n.getBoundingClientRect().right)")
        assert max(rooms) <= width
        heights = page.js("[...document.querySelectorAll('.choices button')].map((n) => n.offsetHeight)")
        assert min(heights) >= 40
    feed, card = page.one("#cards"), page.one(".card.current")
    assert feed.get_attribute("role") == "feed"
    assert (card.aria_role, card.get_attribute("aria-posinset"), card.get_attribute("aria-setsize")) == (
        "article",
        "1",
        "30",
    )
    label = card.accessible_name
    assert label.startswith("Suspect 1, sample 29: given dog, model believes a name that")
    assert label.endswith("margin from \u22123.0 to \u22125.0; undecided")
    page.one(".card.current .keep").click()
    assert page.one(".card.current").accessible_name.endswith("; kept")
    assert page.one("#said").get_attribute("textContent") == "Sample 29: kept"
    assert page.one("#track").get_attribute("aria-valuenow") == "1"
    for selector in ("#given", "#believed", "#show", "#track", "#undo", "#load", "#download", ".keep", ".other"):
        assert page.one(selector).accessible_name, selector
