"""The outbox' dialogs: one asks before a change is discarded, one takes other data for it.

Both are the browser's own: it keeps the focus inside, closes them by Escape, and puts the focus
back where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from app.core.actions import Data
from app.core.entry import Entry
from app.errors import DriftlineError, InvalidInput, Rejected
from app.ui.dom import by_test_id, clone, on, part, set_text
from app.ui.outbox_fields import FormField, data_of_fields, fields_of_data
from app.ui.outbox_words import discard_text, kind_text, label_text
from app.ui.page import spawn

YES = "yes"
Save = Callable[[Data], Awaitable[object]]


class DiscardDialog:
    """Asks whether an entry is to be discarded."""

    def __init__(self) -> None:
        self._dialog = by_test_id("discard-dialog")
        self._answer: asyncio.Future[bool] | None = None
        on(part(self._dialog, "cancel"), "click", lambda _event: self._dialog.close())
        on(part(self._dialog, "confirm"), "click", lambda _event: self._dialog.close(YES))
        on(self._dialog, "close", self._closed)

    async def ask(self, entry: Entry) -> bool:
        """Return whether the person wants `entry` discarded."""
        set_text(part(self._dialog, "label"), f"{kind_text(entry)}: {label_text(entry)}")
        set_text(part(self._dialog, "text"), discard_text(entry))
        self._dialog.returnValue = ""
        self._settle(False)
        self._answer = asyncio.get_running_loop().create_future()
        self._dialog.showModal()
        return await self._answer

    def _closed(self, _event: Any) -> None:
        """Take the answer; the event comes late, and may find the dialog open for the next one."""
        if not self._dialog.open:
            self._settle(self._dialog.returnValue == YES)

    def _settle(self, answer: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


class EditDialog:
    """A plain form of an action's data; it stays open, with the reasons, while that is refused."""

    def __init__(self) -> None:
        self._dialog = by_test_id("edit-dialog")
        self._inputs = part(self._dialog, "inputs")
        self._error = part(self._dialog, "error")
        self._data: Data = {}
        self._fields: dict[str, Any] = {}
        self._save: Save | None = None
        self._saving = False
        on(part(self._dialog, "cancel"), "click", lambda _event: self._dialog.close())
        on(part(self._dialog, "form"), "submit", self._submitted)

    def open(self, entry: Entry, save: Save) -> None:
        """Show the form for an entry whose action can be read; `save` gets the other data."""
        self._data = entry.parsed().data or {}
        self._save = save
        set_text(part(self._dialog, "kind"), kind_text(entry))
        fields = fields_of_data(self._data)
        self._fields = {field.name: _element(field) for field in fields}
        self._inputs.replaceChildren(*self._fields.values())
        self._say("", entry.error.fields if entry.error else {})
        self._dialog.showModal()

    def _submitted(self, event: Any) -> None:
        event.preventDefault()
        if not self._saving:
            self._saving = True
            spawn(self._hand_over())

    async def _hand_over(self) -> None:
        typed = {name: part(field, "input").value for name, field in self._fields.items()}
        assert self._save is not None
        try:
            await self._save(data_of_fields(self._data, typed))
        except (InvalidInput, Rejected) as error:
            self._say(str(error), error.fields)
        except DriftlineError as error:
            self._say(str(error), {})
        else:
            self._dialog.close()
        finally:
            self._saving = False

    def _say(self, reason: str, problems: dict[str, str]) -> None:
        """Show what is wrong beside the fields; what no field is named for, below them."""
        left = dict(problems)
        for name, field in self._fields.items():
            own = [left.pop(path) for path in list(left) if name in path.split(".")[:2]]
            set_text(part(field, "error"), "; ".join(own))
            control = part(field, "input")
            if own:
                control.setAttribute("aria-invalid", "true")
            else:
                control.removeAttribute("aria-invalid")
        rest = [f"{path}: {problem}" for path, problem in left.items()]
        set_text(self._error, " ".join([reason, *rest]).strip())


def _element(field: FormField) -> Any:
    element = clone("edit-line-template" if field.kind == "line" else "edit-lines-template")
    label, control, error = (part(element, name) for name in ("label", "input", "error"))
    label.textContent = field.label
    control.value = field.value
    control.id, error.id = f"edit-{field.name}", f"edit-{field.name}-error"
    label.htmlFor = control.id
    control.setAttribute("aria-describedby", error.id)
    if field.kind == "json":
        control.classList.add("field__json")
        control.spellcheck = False
    return element
