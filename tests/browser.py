"""A real browser for the tests of pages: Debian's chromium and chromium-driver, by Selenium."""

import os
import shutil

import pytest

_OPTIONS = ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,800", "--lang=en")


def started(downloads):
    """A browser that downloads into a folder; without one the test is skipped."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, of tests/requirements.txt")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in _OPTIONS:
        options.add_argument(option)
    if os.geteuid() == 0:  # Chromium's sandbox refuses root
        options.add_argument("--no-sandbox")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))
