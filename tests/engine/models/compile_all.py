"""Compile every sample network, whole, and compare it with itself uncompiled."""

import sys

import torch

from tests.engine.models.samples import READS, SETTINGS, examples, gradients, network

for name, settings in SETTINGS.items():
    model, tokens = network(settings), examples(12)
    read = READS[len(name) % len(READS)]
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    expected = gradients(model, tokens, read)
    torch.testing.assert_close(compiled(tokens, read), model(tokens, read))
    for key, gradient in gradients(compiled, tokens, read).items():
        torch.testing.assert_close(gradient, expected[key.removeprefix("_orig_mod.")])
    sys.stdout.write(f"{name}\n")
