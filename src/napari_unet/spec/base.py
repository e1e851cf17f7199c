"""What all specs share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of all specs: frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
