"""How the page's server keeps its garbage collection cheap and frequent.

Every tick leaves cycles behind. Python looks for those that have grown old only once they are a
quarter of all old objects, and the modules of a page alone are half a million: tens of megabytes
would wait there. Frozen, these are neither counted nor walked through.
"""

import gc
from functools import cache


@cache
def settle() -> None:
    """Set aside all that lives now, once a process."""
    gc.collect()
    gc.freeze()
    # the collector learns how few old objects there are only by counting them
    gc.collect()
