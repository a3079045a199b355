"""Every error Driftline raises, as one tree.

DriftlineError
├── InvalidInput        what was given cannot be accepted; nothing was changed
├── NotFound            the named entry, item or action type does not exist
├── Rejected            an action function refused an action (becomes the verdict `rejected`)
├── StorageError        the device's storage refused; nothing was half-written
│   ├── StorageFull     the quota is used up
│   ├── StorageClosed   the connection to the database was lost or is being upgraded
│   └── StorageNewer    a newer version of the app upgraded the database already
└── TransportError      a request did not end in an answer of our server
    ├── Unreachable     no network, a time-out, or an answer that is not our server's
    └── Refused         our server answered with an error status
"""

from __future__ import annotations

from collections.abc import Mapping

REQUEST_TIMEOUT = 408
"""The one status of its hundred that may come after the request was carried out."""


class DriftlineError(Exception):
    """Base of every error that Driftline raises; its text is fit to be shown to a person."""


class InvalidInput(DriftlineError):
    """What was given cannot be accepted. `fields` maps a field's path to what is wrong with it."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class NotFound(DriftlineError):
    """The named entry, item or action type does not exist."""


class Rejected(DriftlineError):
    """An action function refused an action: `code` for programs, the message for people."""

    def __init__(self, code: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.fields = dict(fields or {})


class StorageError(DriftlineError):
    """The device's storage refused the operation; nothing of it was written."""


class StorageFull(StorageError):
    """The device has no room left for this site; nothing of the operation was written."""


class StorageClosed(StorageError):
    """The database connection was lost (cleared, upgraded elsewhere) and could not be reopened."""


class StorageNewer(StorageError):
    """A newer version of the app has upgraded the database: this one cannot read it any more."""


class TransportError(DriftlineError):
    """A request did not end in an answer of our server.

    `retry_after` is in seconds, where whoever answered named a time.
    """

    retry_after: float | None = None


class Unreachable(TransportError):
    """No answer of our server came back.

    `answered` is true where something else answered (a captive portal, a static host, a proxy's
    page): the network works, but no Driftline server is behind this address.
    """

    def __init__(
        self, message: str, *, answered: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.answered = answered
        self.retry_after = retry_after


class Refused(TransportError):
    """Our server answered with an error status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = dict(fields or {})
        self.retry_after = retry_after

    @property
    def had_no_effect(self) -> bool:
        """Whether it is certain that nothing of the request was carried out."""
        return 400 <= self.status < 500 and self.status != REQUEST_TIMEOUT
