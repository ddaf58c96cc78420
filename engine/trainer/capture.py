"""How a stretch of work on static memory is recorded once and repeated without its launches.

A recorder takes a body that reads and writes tensors which stay where they are, and returns a
function that does the same again. Before it records, it lets the body run a few times, so that
libraries, compilers and allocators have made what they make at first; whoever calls it undoes
what these runs change.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

Body = Callable[[], None]

WARM_UPS = 3
"""Runs of a body before it is recorded, as torch's documentation of CUDA graphs asks for."""


@runtime_checkable
class Recorder(Protocol):
    """Records bodies for one batch."""

    def record(self, body: Body, *, rewind: Body) -> Body:
        """What repeats `body`; `rewind` is called before each run that comes before recording."""
        ...


class EagerRecorder:
    """Repeats a body by calling it: the twin that runs on every device."""

    def record(self, body: Body, *, rewind: Body) -> Body:
        """Run the body as often as the other recorder does, and hand it back."""
        for _ in range(WARM_UPS):
            rewind()
            body()
        return body


class GraphRecorder:
    """Repeats a body as a CUDA graph: one launch for all of its kernels.

    The graphs of a batch share their inner memory: none of them leaves anything there that
    another replay needs.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def record(self, body: Body, *, rewind: Body) -> Body:
        """Run the body on a stream of its own, then record it there."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                rewind()
                body()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # the archive's thread copies nothing on the device, but may ask it something
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            body()
        return graph.replay


def recorder_for(device: torch.device) -> Recorder | None:
    """The recorder of a device; None where steps are launched one by one."""
    return GraphRecorder() if device.type == "cuda" else None
