"""Streamlit whose page takes long to end after it was drawn: `python -m tests.e2e.slow_end run …`.

Everything can be pressed by then. On a busy machine the first run after a start is like it.
"""

import sys
import time

from streamlit.web.cli import main

from app import collector

SECONDS = 2.0

if __name__ == "__main__":
    collector.settle = lambda: time.sleep(SECONDS)
    sys.exit(main(prog_name="streamlit"))
