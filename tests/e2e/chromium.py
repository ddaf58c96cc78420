"""Where a Chromium for the browser tests is, or how one is brought onto the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str | None:
    """The Chromium at hand: `$CHROMIUM`, the system's, or Playwright's own."""
    if chosen := os.environ.get("CHROMIUM"):
        return chosen
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> str:
    """Playwright's download where it is reachable, else Debian's package."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get"):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        attempts += [[*sudo, "apt-get", "update", "-qq"]]
        attempts += [[*sudo, "apt-get", "install", "-y", "-qq", "chromium"]]
    for command in attempts:
        try:
            subprocess.run(command, timeout=600, check=False, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"{' '.join(command)}: {error}\n")
        if found := executable():
            return found
    raise SystemExit(
        "no Chromium: install the package `chromium`, or set CHROMIUM to an executable"
    )


if __name__ == "__main__":
    sys.stdout.write(f"browser: {executable() or install()}\n")
