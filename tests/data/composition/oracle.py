"""Facts read back from rows by name, and their compositions by loops over dictionaries."""

from data import IGNORED, Split, TaskData

Question = tuple[str, ...]


def questions(task: TaskData, split: Split, width: int = 1) -> dict[Question, str]:
    """Each row as (entity, relation, …) with its answer; an entity of two names is `f1 l2`."""
    read: dict[Question, str] = {}
    for row, targets in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
        names = [task.token_names[token] for token in row]
        relations = [name for name in names if name.startswith("r")]
        answer = [task.token_names[token] for token in targets if token != IGNORED]
        assert len(answer) == width
        last_read = max(
            at for at, token in zip(task.read_at, targets, strict=True) if token != IGNORED
        )
        shown = [name for name in names if name != "PAD"]
        assert shown == names[: last_read + 1]
        assert shown == [*names[:width], *relations, *answer[:-1]]
        question = (" ".join(names[:width]), *relations)
        assert question not in read
        read[question] = " ".join(answer)
    return read


def composed(facts: dict[Question, str], hops: int) -> dict[Question, str]:
    """Everything that follows from atomic facts by `hops` steps."""
    found = dict(facts)
    for _ in range(hops - 1):
        longer: dict[Question, str] = {}
        for question, end in found.items():
            for (head, relation), tail in facts.items():
                if head == end:
                    longer[(*question, relation)] = tail
        found = longer
    return found
