"""`python -m engine.bench`: the measurements, without what the lab's other commands load."""

import sys

from engine.bench.command import main

if __name__ == "__main__":
    sys.exit(main())
