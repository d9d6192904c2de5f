"""The report in a real browser: what a phone and a large screen show of it, and that nothing is fetched."""

import json

import numpy as np
import pytest
from browser import started
from harness import once

from keras_robust import diagnostics

pytestmark = once


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory.mktemp("downloads"))
    yield driver
    driver.quit()


def test_it_fits_a_phone_and_a_screen_and_fetches_nothing(browser, comparison_folder, tmp_path):
    for seed in ("ANLCE-alpha-5-beta-5-seed0", "ANLCE-alpha-5-beta-5-seed1"):
        settings = {"dataset": "digits", "loss": "A" * 120, "a_setting_of_a_long_name" * 4: "x" * 300, "epochs": 9}
        (comparison_folder / seed / "settings.json").write_text(json.dumps(settings))
    names = ["a name that is far too long for a card " * 3, "w" * 200, "$x^{", "cow"]
    texts = ["word" * 300] * 40
    keywords = {"images": np.zeros((40, 8, 8)), "texts": texts, "class_names": names, "n": 3}
    page = diagnostics.report_page(comparison_folder, tmp_path / "page.html", **keywords)
    for width in (390, 1020, 1280):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == 390}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.as_uri())
        browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        ends = "return [...document.querySelectorAll('main *')].map((n) => n.getBoundingClientRect().right)"
        assert max(browser.execute_script(ends)) <= width
    fetched = "return performance.getEntriesByType('resource').filter((one) => !one.name.startsWith('data:')).length"
    assert browser.execute_script(fetched) == 0
    assert browser.get_log("browser") == []
    names = [one.accessible_name for one in browser.find_elements("css selector", "img, svg")]
    assert all(names)
    assert browser.find_element("css selector", ".summary").aria_role == "table"
    background = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(background)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert browser.execute_script(background) != light
