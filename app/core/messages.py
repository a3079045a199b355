"""The team log's messages: their model, and the action that sends one."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.core.actions import Data, fields_of, registry
from app.errors import InvalidInput, Rejected
from app.protocol import MAX_NAME, MAX_TEXT, Action, check_json

COLLECTION = "messages"
SEND = "send_message"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Text = Annotated[
    str, Field(max_length=MAX_TEXT), AfterValidator(check_json), AfterValidator(_not_blank)
]


Sender = Annotated[
    str,
    Field(max_length=MAX_NAME, exclude_if=lambda name: not name),
    AfterValidator(check_json),
]


class Message(BaseModel):
    """A message of the log. `sent_at` is the sender's clock in milliseconds, for display only.

    `sender` is how whoever wrote it signs, and proves nothing; older messages have none.
    """

    model_config = ConfigDict(frozen=True)

    text: Text
    sent_at: Annotated[int, Field(ge=0)]
    sender: Sender = ""


registry.declare(COLLECTION, Message)


@registry.action(SEND)
def send_message(current: Data | None, action: Action) -> Data | None:
    """Add a message; the time of sending is the action's own."""
    if current is not None:
        raise Rejected("exists", "This message was sent already.")
    return {**(action.data or {}), "sent_at": action.created_at}


def compose(text: str, sender: str = "") -> Data:
    """Return the data of a `send_message` action for what a person typed, signed by `sender`.

    Raises `InvalidInput`, with a sentence for the person, where the text cannot be sent. Only
    trailing white space is dropped.
    """
    text = text.rstrip()
    if not text.strip():
        raise InvalidInput("Write something first.", {"text": "must not be empty"})
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"This message is {len(text):,} characters long; {MAX_TEXT:,} is the most that can be "
            "sent. It was kept here: shorten it or send it in parts.",
            {"text": f"must have at most {MAX_TEXT} characters"},
        )
    try:
        Message(text=text, sent_at=0)
    except ValidationError as error:
        raise InvalidInput(
            "This text holds a broken character (half of an emoji) that cannot be sent. "
            "It was kept here: remove the character and send again.",
            fields_of(error),
        ) from None
    name = sender.strip()
    return {"text": text, "sender": name} if name else {"text": text}
