"""Settings come from the command line first, then from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import InvalidInput
from server.settings import Settings


def test_what_is_given_wins_over_the_environment() -> None:
    environment = {"DRIFTLINE_PORT": "9000", "DRIFTLINE_HOST": "::1", "PORT": "1"}
    settings = Settings.load(environment, {"port": "9001", "database": None})
    assert (settings.port, settings.host) == (9001, "::1")
    assert settings.database == Settings().database


def test_origins_and_folder_are_read_from_text() -> None:
    origins = {"DRIFTLINE_ALLOWED_ORIGINS": "https://a.example, https://b.example"}
    settings = Settings.load(origins, {"site_root": "."})
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.site_root == Path()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": "http"}, "whole number"),
        ({"port": "70000"}, "between 0 and 65535"),
        ({"workers": "2"}, "one worker"),
        ({"log_level": "loud"}, "log level"),
        ({"transport": "pigeon"}, "batch or rest"),
    ],
)
def test_value_that_does_not_fit_is_refused_in_a_sentence(
    given: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        Settings.load({}, given)


def test_limits_of_streams_are_whole_numbers_above_zero() -> None:
    given = {"DRIFTLINE_MAX_STREAMS": "9", "DRIFTLINE_MAX_STREAMS_PER_USER": "3"}
    settings = Settings.load(given, {})
    assert (settings.max_streams, settings.max_streams_per_user) == (9, 3)
    with pytest.raises(InvalidInput, match="event stream"):
        Settings.load({"DRIFTLINE_MAX_STREAMS": "0"}, {})
