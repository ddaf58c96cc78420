"""Values and comparisons read back from rows by name, and compared by dictionary."""

from data import IGNORED, Split, TaskData

Item = tuple[str, str, str]
Fact = tuple[str, str]


def answers(task: TaskData, split: Split) -> list[tuple[list[str], str]]:
    """What each row shows up to where it is read, and its one answer."""
    read: list[tuple[list[str], str]] = []
    for row, targets in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
        names = [task.token_names[token] for token in row]
        ((at, answer),) = [
            (at, task.token_names[token])
            for at, token in zip(task.read_at, targets, strict=True)
            if token != IGNORED
        ]
        assert set(names[at + 1 :]) <= {"PAD"}
        assert "PAD" not in names[: at + 1]
        read.append((names[: at + 1], answer))
    return read


def facts(task: TaskData, split: Split) -> dict[Fact, int]:
    """The values that a split shows, by (entity, attribute)."""
    found: dict[Fact, int] = {}
    for names, answer in answers(task, split):
        named = [name for name in names if name[0] in "ea"]
        if len(named) == 2:
            entity, attribute = named
            assert (entity, attribute) not in found
            assert answer[0] == "v"
            found[entity, attribute] = int(answer[1:])
    return found


def comparisons(task: TaskData, split: Split) -> dict[Item, str]:
    """The labels that a split shows, by (attribute, first entity, second entity)."""
    found: dict[Item, str] = {}
    for names, answer in answers(task, split):
        named = [name for name in names if name[0] in "ea"]
        if len(named) == 3:
            attribute, first, second = named
            assert (attribute, first, second) not in found
            found[attribute, first, second] = answer
    return found


def sign(first: int, second: int) -> str:
    """How the first value compares with the second."""
    if first == second:
        return "="
    return "<" if first < second else ">"
