"""How trained networks leave the lab: folders that other libraries load (no torch)."""

from engine.interchange.configs import transformers_config
from engine.interchange.folder import Exported, Origin, refuse_used, write_folder

__all__ = ["Exported", "Origin", "refuse_used", "transformers_config", "write_folder"]
