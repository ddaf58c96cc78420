"""How anything in the lab declares a setting: one frozen pydantic model beside each component."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen, closed settings; every field states its range and describes itself.

    One declaration gives typing, validation, the command line, the launch form and the docs.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
