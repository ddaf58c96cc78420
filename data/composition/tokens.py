"""How facts become token rows, and entities one token or two.

Answers come first: entities are the tokens 0 … n_entities−1 (or first names, then last names),
relations follow, and `PAD` is last. Rows are padded on the right, so an atomic answer is read
earlier than an inferred one. With two hops, `e3 r7 → e5` and `e3 r7 r2 → e9` read

    h r  PAD        read at 1    e3 r7 PAD → e5
    h r1 r2         read at 2    e3 r7 r2  → e9

An entity of two tokens is answered token by token, its last name with its first name given, so
that accuracy counts names. `e3` being `f1 l4` and `e9` being `f0 l2`,

    h h r1 r2 t     read at 3, 4    f1 l4 r7 r2 f0 → f0 l2

Shapes: ``N`` facts, ``K`` hops, ``E`` entities, ``W`` tokens of an entity, ``T`` tokens of a row,
``A`` answer positions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from data.composition.settings import GraphSettings
from data.task import IGNORED, Split


@dataclass(frozen=True, slots=True)
class Tokens:
    """Renders facts for one drawn naming of the entities."""

    settings: GraphSettings
    entity: Int64[np.ndarray, "E W"]
    """The tokens of each entity."""

    def render(
        self,
        head: Int64[np.ndarray, " N"],
        relations: Int64[np.ndarray, "N K"],
        tail: Int64[np.ndarray, " N"],
    ) -> Split:
        """Rows of facts that compose K relations, 1 or `hops`."""
        width = self.entity.shape[1]
        n, k = relations.shape
        answer = self.entity[tail]
        tokens = np.full((n, length(self.settings)), vocabulary(self.settings) - 1)
        tokens[:, :width] = self.entity[head]
        tokens[:, width : width + k] = n_classes(self.settings) + relations
        tokens[:, width + k : width + k + width - 1] = answer[:, :-1]
        targets = np.full((n, len(read_at(self.settings))), IGNORED)
        places = [read_at(self.settings).index(width + k - 1 + part) for part in range(width)]
        targets[:, places] = answer
        return Split(tokens.astype(np.int64), targets.astype(np.int64))


def draw_tokens(settings: GraphSettings, *, seed: int) -> Tokens:
    """One token for each entity, or a pair of names that no other entity has."""
    n = settings.n_entities
    if settings.tokens_per_entity == 1:
        return Tokens(settings, np.arange(n, dtype=np.int64)[:, None])
    rng = np.random.default_rng([seed, 1])
    pair = rng.permutation(settings.n_names**2)[:n].astype(np.int64)
    first, last = np.divmod(pair, settings.n_names)
    return Tokens(settings, np.stack([first, settings.n_names + last], axis=1))


def read_at(settings: GraphSettings) -> tuple[int, ...]:
    """The positions at which atomic and inferred answers are read."""
    width = settings.tokens_per_entity
    return tuple(
        sorted({width + k - 1 + part for k in (1, settings.hops) for part in range(width)})
    )


def roles(settings: GraphSettings) -> tuple[str, ...]:
    """What stands at each position of a composed fact."""
    relations = [f"r{i + 1}" for i in range(settings.hops)]
    if settings.tokens_per_entity == 1:
        return ("h", *relations)
    return ("h1", "h2", *relations, "t1")


def length(settings: GraphSettings) -> int:
    """How many tokens a row has."""
    return len(roles(settings))


def n_classes(settings: GraphSettings) -> int:
    """How many tokens can be answers."""
    return settings.n_entities if settings.tokens_per_entity == 1 else 2 * settings.n_names


def vocabulary(settings: GraphSettings) -> int:
    """How many token ids exist; the last one pads."""
    return n_classes(settings) + settings.n_relations + 1


def token_names(settings: GraphSettings) -> tuple[str, ...]:
    """What every token id means."""
    entities = [f"e{i}" for i in range(settings.n_entities)]
    names = [f"{part}{i}" for part in "fl" for i in range(settings.n_names)]
    relations = [f"r{i}" for i in range(settings.n_relations)]
    return (*(entities if settings.tokens_per_entity == 1 else names), *relations, "PAD")
