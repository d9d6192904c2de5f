"""Opens every page of the built site in Chromium, at a desk's and at a phone's width: python docs/tools/widths.py site.

Says which page is wider than the window, and which code is cut off; the exit status is 1 then. Needs selenium, and
Debian's chromium and chromium-driver.
"""

import functools
import http.server
import os
import pathlib
import shutil
import sys
import threading

from selenium import webdriver

WIDTHS = (1280, 390)
_WIDE = """
const blocks = [...document.querySelectorAll("article pre, article pre > code")];
const cut = blocks.filter(block => block.scrollWidth > block.clientWidth + 1);
return {
  page: document.documentElement.scrollWidth - window.innerWidth,
  code: cut.map(block => block.textContent.trim().slice(0, 60)),
};
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def too_wide(site, width):
    """The complaints about the pages of a site at a width in pixels."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver, complaints = _browser(), []
    try:
        # A window cannot be as narrow as a phone; what it pretends to be can.
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for page in sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html")):
            driver.get(f"http://localhost:{server.server_port}/{page}")
            found = driver.execute_script(_WIDE)
            if found["page"] > 0:
                complaints.append(f"{page} at {width} pixels: {found['page']} pixels wider than the window")
            complaints += [f"{page} at {width} pixels, code is cut: {code!r}" for code in found["code"]]
    finally:
        driver.quit()
        server.shutdown()
    return complaints


def _browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(option)
    if os.geteuid() == 0:  # Chromium's sandbox refuses root
        options.add_argument("--no-sandbox")
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def main() -> int:
    site = pathlib.Path(sys.argv[1] if sys.argv[1:] else "site").resolve()
    complaints = [line for width in WIDTHS for line in too_wide(site, width)]
    print("\n".join(complaints) or f"{len(list(site.rglob('*.html')))} pages fit at {WIDTHS} pixels")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
