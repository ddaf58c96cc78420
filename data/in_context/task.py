"""How hidden tasks become rows: triples x y z of one (a, b), answers read at every y.

For p = 5, a = 2, b = 1 and three shots, of which the first is not asked, a row reads

    1 3 0 | 4 4 2 | 0 3 3     with the targets  [IGNORED, 2, 3]  at the positions 1, 4 and 7

since 2·1 + 3 = 0, 2·4 + 4 = 2 and 2·0 + 3 = 3 (mod 5). The answer follows as a token, as the
example for later triples. The four evaluation sets cross {seen, unseen} tasks with {training,
test} inputs and carry the paper's names:

    train_id   seen tasks, training inputs     train_ood   unseen tasks, training inputs
    test_id    seen tasks, test inputs         test_ood    unseen tasks, test inputs

Accuracy is also told triple by triple (figure 4 of the paper: k-shot inference).
`train_id` is drawn like `train`, but anew, so that what was memorised of rows is no help in it.

Source: He, Doshi, Das & Gromov 2024 (arXiv 2406.02550), section 3.
"""

import numpy as np
from jaxtyping import Int64

from data.drawing import choices
from data.guessing import majority_of
from data.in_context.rectangles import seen_tasks
from data.in_context.settings import InContextSettings, n_inputs
from data.task import IGNORED, Split, TaskData, TaskSizes

Tasks = Int64[np.ndarray, " K"]
Inputs = Int64[np.ndarray, " M"]


def build(settings: InContextSettings, *, seed: int) -> TaskData:
    """Drawn rows; `seed` decides the tasks that are seen, the inputs of training, and the rows.

    No input occurs twice in a row. Each split has equally many rows of every task, give or take
    one. Chance is a uniform guess over all residues.
    """
    p, rng = settings.p, np.random.default_rng([seed, 0])
    seen = seen_tasks(settings.n_rectangles, p=p, rng=rng)
    unseen = np.setdiff1d(np.arange(p * p, dtype=np.int64), seen)
    inputs = rng.permutation(p * p).astype(np.int64)
    shown, held_out = np.split(inputs, [n_inputs(settings)[0]])
    drawn = {
        "train": (seen, shown, settings.train_size),
        "test_id": (seen, held_out, settings.test_size),
        "test_ood": (unseen, held_out, settings.test_size),
        "train_id": (seen, shown, settings.test_size),
        "train_ood": (unseen, shown, settings.test_size),
    }
    splits = {
        name: _split(settings, tasks, inputs, n=n, rng=np.random.default_rng([seed, place]))
        for place, (name, (tasks, inputs, n)) in enumerate(drawn.items(), start=1)
    }
    return TaskData(
        splits=splits,
        token_names=tuple(map(str, range(p))),
        n_classes=p,
        read_at=tuple(range(1, 3 * settings.n_shots, 3)),
        chance=1.0 / p,
        majority=majority_of(splits),
        by_answer=True,
    )


def positions(settings: InContextSettings) -> tuple[str, ...]:
    """What stands at each position."""
    return tuple(f"{part}{shot + 1}" for shot in range(settings.n_shots) for part in "xyz")


def sizes(settings: InContextSettings) -> TaskSizes:
    """What `build` will deliver; `test` counts all four evaluation sets."""
    test = 4 * settings.test_size
    return TaskSizes(
        examples=settings.train_size + test,
        train=settings.train_size,
        test=test,
        vocabulary=settings.p,
        length=3 * settings.n_shots,
        n_classes=settings.p,
        n_read=settings.n_shots,
        chance=1.0 / settings.p,
    )


def _split(
    settings: InContextSettings,
    tasks: Tasks,
    inputs: Inputs,
    *,
    n: int,
    rng: np.random.Generator,
) -> Split:
    """`n` rows, the tasks taken in turn and then shuffled."""
    p = settings.p
    in_turn = np.resize(rng.permutation(tasks), n)
    a, b = np.divmod(rng.permutation(in_turn)[:, None], p)
    places = choices(rng, n, among=len(inputs), each=settings.n_shots)
    x, y = np.divmod(inputs[places], p)
    z = (a * x + b * y) % p
    targets = z.copy()
    targets[:, : settings.n_unasked] = IGNORED
    return Split(np.stack([x, y, z], axis=2).reshape(n, 3 * settings.n_shots), targets)
