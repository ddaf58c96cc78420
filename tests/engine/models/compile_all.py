"""Compile every sample network, whole, and compare it with itself uncompiled.

Without `--whole`, only the first sample of each kind has its backward pass traced too; of the
others Dynamo traces the forward pass and our own backward functions, in a third of the time.
"""

import sys

import torch

from tests.engine.models.samples import READS, SETTINGS, examples, gradients, network

seen: set[str] = set()
for name, settings in SETTINGS.items():
    model, tokens = network(settings), examples(12)
    read = READS[len(name) % len(READS)]
    ahead = settings.kind not in seen or "--whole" in sys.argv
    seen.add(settings.kind)
    torch.compiler.reset()
    backend = "aot_eager" if ahead else "eager"
    compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=False)
    expected = gradients(model, tokens, read)
    torch.testing.assert_close(compiled(tokens, read), model(tokens, read))
    for key, gradient in gradients(compiled, tokens, read).items():
        torch.testing.assert_close(gradient, expected[key.removeprefix("_orig_mod.")])
    sys.stdout.write(f"{name}\n")
