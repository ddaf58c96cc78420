"""What composed facts deliver, against an oracle that walks the graph fact by fact."""

from typing import Any

import numpy as np
import pytest

from data import CompositionSettings, build_task, task_sizes
from data.composition.graph import Paths, draw_graph
from data.composition.settings import largest_phi
from data.errors import DrawError
from tests.data.composition.oracle import composed, questions
from tests.data.contract import rows_by_use

SMALL: dict[str, Any] = {
    "n_entities": 40,
    "n_relations": 8,
    "out_degree": 5,
    "ood_share": 0.25,
    "holdout_share": 0.05,
    "phi": 1.2,
}
VARIANTS: list[dict[str, Any]] = [
    SMALL,
    SMALL | {"hops": 3, "ood_share": 0.4},
    SMALL | {"tokens_per_entity": 2, "n_names": 7},
    SMALL | {"tokens_per_entity": 2, "n_names": 9, "hops": 3, "ood_share": 0.4},
]
CASES = [CompositionSettings.model_validate(changes) for changes in VARIANTS]
every = pytest.mark.parametrize("settings", CASES, ids=lambda s: f"{s.hops}|{s.tokens_per_entity}")
SPLITS = ("train", "test_id", "test_ood", "atomic_id", "atomic_ood")


def read(settings: CompositionSettings, seed: int = 0) -> dict[str, dict[tuple[str, ...], str]]:
    task = build_task(settings, seed=seed)
    width = settings.tokens_per_entity
    return {name: questions(task, split, width) for name, split in task.splits.items()}


@every
def test_every_answer_follows_from_the_atomic_facts_of_its_split(settings: CompositionSettings):
    splits = read(settings)
    known, unseen = splits["atomic_id"], splits["atomic_ood"]
    inferred = {q: a for q, a in splits["train"].items() if len(q) == settings.hops + 1}
    in_distribution = composed(known, settings.hops)
    assert in_distribution.items() >= inferred.items()
    assert in_distribution.items() >= splits["test_id"].items()
    assert splits["test_ood"] == composed(unseen, settings.hops)
    assert len(inferred) == round(settings.phi * len(known))
    assert len(splits["test_id"]) == round(settings.holdout_share * len(in_distribution))


@every
def test_training_holds_all_atomic_facts_and_no_tested_inferred_one(settings: CompositionSettings):
    splits = read(settings)
    atomic = {q: a for q, a in splits["train"].items() if len(q) == 2}
    assert atomic == splits["atomic_id"] | splits["atomic_ood"]
    assert not splits["atomic_id"].keys() & splits["atomic_ood"].keys()
    tested = splits["test_id"].keys() | splits["test_ood"].keys()
    assert not tested & splits["train"].keys()
    assert not splits["test_id"].keys() & splits["test_ood"].keys()


@every
def test_every_entity_has_its_number_of_different_relations(settings: CompositionSettings):
    splits = read(settings)
    heads = [head for head, _ in (splits["atomic_id"] | splits["atomic_ood"])]
    assert len(set(heads)) == settings.n_entities
    assert {heads.count(head) for head in heads} == {settings.out_degree}


@every
def test_the_same_seed_gives_the_same_arrays_and_another_another_graph(
    settings: CompositionSettings,
):
    first, again, other = (build_task(settings, seed=seed) for seed in (3, 3, 4))
    assert tuple(first.splits) == SPLITS
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
    assert read(settings, 3)["atomic_id"] != read(settings, 4)["atomic_id"]
    assert not np.array_equal(first.splits["train"].tokens, other.splits["train"].tokens)


@every
def test_sizes_are_known_without_building(settings: CompositionSettings):
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert (sizes.train, sizes.probes) == (rows["train"], rows["probes"])
    assert sizes.examples == sizes.train + sizes.test
    assert sizes.test == pytest.approx(rows["test"], rel=0.2)
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == pytest.approx(task.chance, rel=0.2)


@every
def test_tokens_and_answers_lie_in_the_vocabulary(settings: CompositionSettings):
    task = build_task(settings, seed=0)
    tokens = np.concatenate([split.tokens for split in task.splits.values()])
    targets = np.concatenate([split.targets for split in task.splits.values()])
    assert (tokens.min(), tokens.max()) == (0, task.vocab_size - 1)
    assert targets[targets >= 0].max() < task.n_classes
    assert len(set(task.token_names)) == task.vocab_size


@every
def test_chance_and_majority_are_those_of_the_inferred_answers(settings: CompositionSettings):
    splits = read(settings)
    answers = [
        answer.split()
        for name in ("train", "test_id", "test_ood")
        for question, answer in splits[name].items()
        if len(question) == settings.hops + 1
    ]
    parts = [[answer[part] for answer in answers] for part in range(settings.tokens_per_entity)]
    task = build_task(settings, seed=0)
    n = len(answers)
    chance = sum(1 / len(set(part)) for part in parts) / len(parts)
    majority = sum(max(map(part.count, part)) / n for part in parts) / len(parts)
    assert task.chance == pytest.approx(chance)
    assert task.majority == pytest.approx(majority)


def test_the_published_settings_give_the_published_counts():
    settings = CompositionSettings(phi=18)
    task = build_task(settings, seed=0)
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 40_000 + 684_000,
        "test_id": 3000,
        "test_ood": pytest.approx(2000, rel=0.1),
        "atomic_id": 3000,
        "atomic_ood": 2000,
    }
    known = Paths(graph := draw_graph(settings, seed=0), np.flatnonzero(~graph.ood), 2)
    assert len(known) == pytest.approx(722_000, rel=0.005)
    assert task_sizes(settings).largest_phi == pytest.approx(18.8, abs=0.1)
    assert task_sizes(settings).vocabulary == 2000 + 200 + 1
    assert task.chance == 1 / 2000


@pytest.mark.parametrize(("phi", "inferred"), [(3.6, 136_800), (9.0, 342_000), (12.6, 478_800)])
def test_phi_counts_inferred_facts_for_each_atomic_one_in_distribution(phi: float, inferred: int):
    assert task_sizes(CompositionSettings(phi=phi)).train == 40_000 + inferred


def test_paths_are_numbered_without_gaps_or_repeats():
    graph = draw_graph(CASES[1], seed=0)
    paths = Paths(graph, np.flatnonzero(~graph.ood), 3)
    listed = paths.at(np.arange(len(paths)))
    assert len(np.unique(listed, axis=0)) == len(paths)
    assert np.array_equal(graph.tail[listed[:, :-1]], graph.head[listed[:, 1:]])
    assert not graph.ood[listed].any()


def test_the_largest_phi_can_be_drawn_with_every_seed():
    for changes in VARIANTS:
        largest = largest_phi(CompositionSettings.model_validate(changes))
        settings = CompositionSettings.model_validate(changes | {"phi": largest})
        for seed in range(60):
            build_task(settings, seed=seed)


def test_a_graph_that_cannot_give_phi_is_named_with_its_seed():
    settings = CompositionSettings.model_validate(SMALL).model_copy(update={"phi": 4.5})
    with pytest.raises(DrawError, match=r"phi must be at most .* that seed 7 draws, got 4.5; "):
        build_task(settings, seed=7)


def test_a_row_reads_head_relations_answer():
    task = build_task(CASES[2], seed=0)
    row = [task.token_names[token] for token in task.splits["test_id"].tokens[0]]
    assert [name[0] for name in row] == ["f", "l", "r", "r", "f"]
    assert task.read_at == (2, 3, 4)
    assert build_task(CASES[0], seed=0).read_at == (1, 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"phi": 19}, r"phi must be at most 18.77 .* got 19; lower phi or raise out_degree"),
        ({"out_degree": 10}, r"phi must be at most 9.35 with out_degree 10"),
        ({"out_degree": 50, "n_relations": 40}, r"out_degree .* n_relations \(40\).* got 50"),
        ({"hops": 3, "phi": 300}, r"at most 10,000,000 training rows, got 300 \(11,440,000 rows"),
        ({"tokens_per_entity": 2, "n_names": 44}, r"n_names .* got 44 \(1,936 pairs\).*least 45"),
        ({"n_entities": 50, "ood_share": 0.01}, r"ood_share .* got 0.01 .* give at least 0"),
        (
            {"n_entities": 20, "out_degree": 5, "phi": 0.5, "ood_share": 0.5},
            r"holdout_share .*0.005",
        ),
    ],
)
def test_a_mistake_is_named_with_its_rule_and_the_way_out(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        CompositionSettings.model_validate({"phi": 9.4} | changes)
