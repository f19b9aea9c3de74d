"""Makes the pictures of the viewer: `python docs/pictures/view.py RUNS NAME AUDIT`. Needs Chromium.

RUNS is a folder of runs, NAME one of them; draws and a task are added to it. AUDIT is an audit of
super-resolution in RUNS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Playwright, sync_playwright

from equipoise.report.pdf import find_browser

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1200, 860


def main(runs: str, name: str, audit: str) -> None:
    """Serve runs, and take the pictures."""
    words = "from equipoise.cli import main; main()"
    command = [sys.executable, "-c", words, "view", runs, "--port", "0", "--no-browser"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as p,
    ):
        try:
            _use(server, p, name, audit)
        finally:
            server.terminate()
    for picture in HERE.glob("view-*.png"):
        Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)


def _use(server: subprocess.Popen[str], p: Playwright, name: str, audit: str) -> None:
    """Open each page, use it, and save what it looks like."""
    assert server.stdout is not None
    address = server.stdout.readline().split()[1]
    browser = p.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{address}steer/{name}")
    page.locator("#brings tbody tr").first.wait_for()
    page.locator("#presets button", has_text="75%").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.locator("#after").wait_for(timeout=120_000)
    page.screenshot(path=HERE / "view-steer.png", full_page=True)
    page.locator("#images button").nth(3).click()
    page.locator("#around .strip").nth(2).wait_for(timeout=120_000)
    page.locator("#picture").screenshot(path=HERE / "view-picture.png")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Uniform").click()
    page.get_by_role("radio", name="one-shot").check()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("60 of 60 images: done").wait_for(timeout=120_000)
    page.get_by_role("button", name="Let people label these").click()
    page.locator("#rater").fill("anna")
    page.get_by_role("button", name="Begin").click()
    page.locator("#count", has_text="0 of").wait_for()
    for done in range(1, 5):
        page.keyboard.press("1")
        page.locator("#count", has_text=f"{done} of").wait_for()
    page.screenshot(path=HERE / "view-label.png")
    for path, shot in (
        ("", "list"),
        (f"runs/{name}", "run"),
    ):
        page.goto(address + path)
        page.screenshot(path=HERE / f"view-{shot}.png")
    page.goto(f"{address}runs/{audit}")
    page.locator(".pairs").first.scroll_into_view_if_needed()
    page.screenshot(path=HERE / "view-pairs.png")
    browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
