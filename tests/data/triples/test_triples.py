"""What a user's graph delivers: every row followed from fact to fact in the text uploaded."""

from pathlib import Path

import numpy as np
import pytest

from data import IGNORED, TaskData, TriplesSettings, build_task, task_sizes
from data.errors import SettingsError, UploadRefused
from data.triples import task as triples_task
from data.triples.hops import Hops
from data.uploads import shelf
from tests.data.contract import assert_seeded, assert_sizes, assert_well_formed, rows_of

Words = tuple[str, str, str]
FAMILY = "head,relation,tail\n" + "".join(
    f"p{i},{relation},p{(i * i + shift) % 23}\n"
    for i in range(23)
    for relation, shift in [("mother", 3), ("friend", 8), ("p1", 5), ("boss", 1)]
)
"""A graph in which one name is an entity and a relation."""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TriplesSettings:
    """An upload in a lab of its own."""
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    name = shelf.keep(FAMILY.encode())
    return TriplesSettings(sha256=name, header=True, ood_share=0.3, holdout_share=0.2)


def facts_of(text: str) -> dict[tuple[str, str], str]:
    """The tail of every head and relation."""
    lines = [line.split(",") for line in text.splitlines()[1:]]
    return {(head, relation): tail for head, relation, tail in lines}


def words(task: TaskData, split: str) -> list[tuple[Words, str, bool]]:
    """Every row in words, its answer, and whether it is an inferred fact."""
    found: list[tuple[Words, str, bool]] = []
    rows = zip(rows_of(task, split), task.splits[split].targets.tolist(), strict=True)
    for row, (atomic, inferred) in rows:
        assert (atomic == IGNORED) != (inferred == IGNORED)
        head, first, second = (task.token_names[token] for token in row)
        answer = task.token_names[atomic if inferred == IGNORED else inferred]
        found.append(((head, first, second), answer, atomic == IGNORED))
    return found


def hops_of(task: TaskData, split: str) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The two facts behind every inferred row of a split."""
    facts = facts_of(FAMILY)
    return [
        ((head, first), (facts[head, first], second))
        for (head, first, second), _, inferred in words(task, split)
        if inferred
    ]


def test_every_answer_is_where_the_facts_lead(family: TriplesSettings):
    facts = facts_of(FAMILY)
    task = build_task(family, seed=0)
    for split in task.splits:
        for (head, first, second), answer, inferred in words(task, split):
            bridge = facts[head, first]
            assert answer == (facts[bridge, second] if inferred else bridge)
            assert inferred == (second != "PAD")


def test_every_fact_is_trained_on_and_is_in_or_out_of_distribution(family: TriplesSettings):
    task = build_task(family, seed=0)
    atomic = {
        name: {row for row, _, inferred in words(task, name) if not inferred}
        for name in ("train", "atomic_id", "atomic_ood")
    }
    assert {(head, relation) for head, relation, _ in atomic["train"]} == set(facts_of(FAMILY))
    assert atomic["atomic_id"] | atomic["atomic_ood"] == atomic["train"]
    assert not atomic["atomic_id"] & atomic["atomic_ood"]
    assert len(atomic["atomic_ood"]) == round(0.3 * len(atomic["train"]))


def test_inferred_facts_are_of_one_kind_and_none_is_trained_and_tested(family: TriplesSettings):
    task = build_task(family, seed=0)
    out = {(head, relation) for (head, relation, _), _, _ in words(task, "atomic_ood")}
    train, test_id, test_ood = (hops_of(task, name) for name in ("train", "test_id", "test_ood"))
    assert all(hop not in out for hops in train + test_id for hop in hops)
    assert all(hop in out for hops in test_ood for hop in hops)
    assert not set(train) & set(test_id)
    assert len(set(train)) == len(train)


def test_all_that_follows_is_used_where_phi_is_not_given(family: TriplesSettings):
    task = build_task(family, seed=0)
    out = {(head, relation) for (head, relation, _), _, _ in words(task, "atomic_ood")}
    facts = facts_of(FAMILY)
    every = {(one, two) for one in facts for two in facts if facts[one] == two[0]}
    expected = {(one, two) for one, two in every if one not in out and two not in out}
    assert set(hops_of(task, "train")) | set(hops_of(task, "test_id")) == expected
    assert len(hops_of(task, "test_id")) == round(0.2 * len(expected))
    assert set(hops_of(task, "test_ood")) == {
        (one, two) for one, two in every if one in out and two in out
    }


def test_the_task_keeps_the_contract(family: TriplesSettings):
    for settings in (TriplesSettings(), TriplesSettings(ood_share=0), family):
        task = build_task(settings, seed=0)
        assert_seeded(settings)
        assert_sizes(settings)
        assert ("test_ood" in task.splits) == ("atomic_ood" in task.splits)
        assert ("test_ood" in task.splits) == (settings.ood_share > 0)
    assert_well_formed(build_task(TriplesSettings(), seed=0))


def test_tails_come_first_and_a_name_can_be_an_entity_and_a_relation(family: TriplesSettings):
    task = build_task(family, seed=0)
    tails = set(facts_of(FAMILY).values())
    assert len(tails) < 23
    assert set(task.token_names[: task.n_classes]) == tails
    assert task.token_names.count("p1") == 2
    assert task.chance == 1 / len(tails)


def test_majority_is_taken_over_inferred_answers(family: TriplesSettings):
    task = build_task(family, seed=0)
    answers = [
        answer
        for split in ("train", "test_id", "test_ood")
        for _, answer, inferred in words(task, split)
        if inferred
    ]
    commonest = max(set(answers), key=answers.count)
    assert task.majority == pytest.approx(answers.count(commonest) / len(answers))


def test_phi_sets_how_many_inferred_facts_are_trained_on(family: TriplesSettings):
    some = family.model_copy(update={"phi": 1.5})
    task = build_task(some, seed=0)
    assert len(hops_of(task, "train")) == round(1.5 * len(task.splits["atomic_id"]))
    assert_sizes(some)


def test_too_large_a_phi_is_refused_with_the_largest():
    with pytest.raises(SettingsError, match=r"phi must be at most 3\.\d+ in this upload.* got 9"):
        build_task(TriplesSettings(phi=9), seed=0)


def test_the_largest_phi_that_is_told_can_be_had_and_no_more():
    largest = task_sizes(TriplesSettings()).largest_phi
    assert largest is not None
    build_task(TriplesSettings(phi=largest), seed=0)
    with pytest.raises(SettingsError, match=f"phi must be at most {largest:g} in this upload"):
        build_task(TriplesSettings(phi=largest + 0.02), seed=0)


def test_more_rows_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(triples_task, "MOST_INFERRED", 100)
    with pytest.raises(SettingsError, match=r"no more than 100 inferred facts .* got none"):
        task_sizes(TriplesSettings())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab without uploads."""
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("home")
def test_a_graph_whose_few_ood_facts_do_not_meet_is_refused():
    name = shelf.keep(b"".join(b"a%d,r,a%d\n" % (i, i + 1) for i in range(20)))
    with pytest.raises(SettingsError, match=r"ood_share must leave an inferred fact .* got 0.05"):
        task_sizes(TriplesSettings(sha256=name, ood_share=0.05))
    assert task_sizes(TriplesSettings(sha256=name, ood_share=0)).train == 20 + 17


@pytest.mark.usefixtures("home")
def test_a_graph_in_which_nothing_follows_is_refused():
    name = shelf.keep(b"a,r,b\nc,r,d\n")
    with pytest.raises(UploadRefused, match="no fact in the upload leads on to another"):
        task_sizes(TriplesSettings(sha256=name))


@pytest.mark.usefixtures("home")
def test_a_line_that_is_no_triple_is_refused_by_its_number():
    name = shelf.keep(b"a,b\nb,c\n")
    with pytest.raises(UploadRefused, match=r"2 lines .* line 1 has 2 fields instead of 3"):
        task_sizes(TriplesSettings(sha256=name))


def test_numbered_hops_are_those_of_two_loops():
    rng = np.random.default_rng(1)
    facts = np.unique(rng.integers(0, 9, size=(60, 3)), axis=0).astype(np.int64)
    hops = Hops.of(facts)
    every = {
        (h, r1, r2, t)
        for h, r1, b in facts.tolist()
        for other, r2, t in facts.tolist()
        if other == b
    }
    numbered = hops.at(np.arange(len(hops), dtype=np.int64)).tolist()
    assert {tuple(row) for row in numbered} == every
    pairs = sum(one[2] == two[0] for one in facts.tolist() for two in facts.tolist())
    assert len(hops) == pairs
