"""What a run is made of: settings, changes to them, and what is wrong with them (no torch)."""

from engine.config.overrides import (
    apply,
    differences,
    parse_assignments,
    parse_config,
    parse_json,
)
from engine.config.problems import InvalidConfig, Problem
from engine.config.run import RunConfig
from engine.config.training import MOST_SEEDS

__all__ = [
    "MOST_SEEDS",
    "InvalidConfig",
    "Problem",
    "RunConfig",
    "apply",
    "differences",
    "parse_assignments",
    "parse_config",
    "parse_json",
]
