"""Whether this machine has the C++ compiler that compiled steps need (no torch)."""

import os
import shutil
import sys


def find_compiler() -> str | None:
    """The program that torch would compile with: `$CXX`, else clang++ on a Mac and g++ elsewhere.

    Where there is none, `training.compile` auto trains uncompiled, and always fails with torch's
    own words.
    """
    usual = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX") or usual)
