"""Workers whose memory is too small for many runs: their allocator fails, as it does in truth."""

from pathlib import Path

import pytest

SITE = '''
import importlib.abc
import importlib.util
import sys

MOST, FIRST_STEP = {most}, {first_step}


class AfterBatch(importlib.abc.MetaPathFinder):
    """Lets `Batch.gradient` ask for more than there is when too many runs are in the batch."""

    def find_spec(self, name, path, target=None):
        if name != "engine.trainer.batch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            import torch

            gradient = module.Batch.gradient

            def greedy(batch, **asked):
                if len(batch.runs) > MOST and batch.step >= FIRST_STEP:
                    torch.empty(1 << 60)
                return gradient(batch, **asked)

            module.Batch.gradient = greedy

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, AfterBatch())
'''


def give_small_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, most: int, first_step: int
) -> None:
    """Workers started from now on fail to allocate from a step on, with more than `most` runs."""
    (folder / "sitecustomize.py").write_text(SITE.format(most=most, first_step=first_step))
    monkeypatch.setenv("PYTHONPATH", str(folder))
