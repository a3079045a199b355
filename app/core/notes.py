"""The team's notes: their model. Several people edit them, so a conflict is put to a person."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.core.actions import registry
from app.protocol import MAX_TEXT, check_json

COLLECTION = "notes"
MAX_TITLE = 200


class Note(BaseModel):
    """A note: a title, and a body of plain text. Either may be empty."""

    model_config = ConfigDict(frozen=True)

    title: Annotated[str, Field(max_length=MAX_TITLE), AfterValidator(check_json)] = ""
    body: Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(check_json)] = ""


registry.declare(COLLECTION, Note)
