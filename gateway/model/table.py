"""What every table of ``routes.toml`` is: frozen, strict, documented where its keys are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of ``routes.toml``; a key it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
