"""What is learned: every task of the lab, its token sequences and its splits (numpy only)."""

from data.modular.settings import ModularSettings

TaskSettings = ModularSettings

__all__ = ["ModularSettings", "TaskSettings"]
