"""What a person who opens an exported folder should know: run, step, task, answer positions."""

import json
from string import Template

from data import TaskData
from engine.config import RunConfig

_CARD = Template("""\
# $title

A network trained in Grokking Lab: run $run, after $step updates, model `$kind`.
$weights$biases$precision

## Task

`$task`

A row has $length tokens, ids 0 to $last, named in `tokens.json`, and nothing
around them.
Answers are read at $read, counted from 0: an answer is the largest of the
first $n_classes logits there. The logits at other positions were not trained.

## Use

```python
import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokens = torch.tensor([$row])  # $names
logits = model(tokens).logits[:, $positions, :$n_classes]
print(logits.argmax(-1))  # the task's answer is $target
```
""")

_BIASES = """
The biases that the network was trained without are zero: the class always has them."""


def card(
    config: RunConfig,
    task: TaskData,
    *,
    run: int,
    name: str,
    step: int,
    averaged: bool,
    without_biases: bool,
) -> str:
    """The README of an exported folder, in Markdown; its example is the first training row.

    `without_biases`: the class has biases that the network has not.
    """
    train, positions = task.splits["train"], list(task.read_at)
    row, target = train.tokens[0].tolist(), train.targets[0].tolist()
    return _CARD.substitute(
        title=name or f"Run {run}",
        run=run,
        step=f"{step:,}",
        kind=config.model.kind,
        weights=_weights(config, averaged=averaged),
        biases=_BIASES if without_biases else "",
        precision=_precision(config),
        task=json.dumps(config.task.model_dump(mode="json"), ensure_ascii=False),
        length=task.length,
        last=task.vocab_size - 1,
        read=("position " if len(positions) == 1 else "positions ") + str(positions)[1:-1],
        n_classes=task.n_classes,
        row=row,
        names=" ".join(task.token_names[token] for token in row),
        positions=positions,
        target=target,
    )


def _weights(config: RunConfig, *, averaged: bool) -> str:
    if averaged:
        return (
            "The weights are the running average on which the run is measured "
            f"(`optimizer.ema_decay` {config.optimizer.ema_decay}), not those that are trained."
        )
    return "The weights are those that are trained, on which the run is measured."


def _precision(config: RunConfig) -> str:
    if config.training.precision == "float32":
        return ""
    return (
        f"\nMatrix products were taken in {config.training.precision} while it trained; "
        "in float32 its logits differ by rounding."
    )
