"""What `/api/openapi.json` says holds for requests of every kind: no 5xx, no unknown status.

The requests are made from the document itself, by Schemathesis: such as it allows, and such as it
does not. Its own pytest integration is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.core.messages import COLLECTION
from app.protocol import SyncRequest
from scripts.cluster import Cluster
from server.app import create_app
from server.exchange import answer
from server.identity import LOCAL
from server.services import Services
from server.settings import Settings
from tests.server.builders import message
from tests.server.builders import request as sync_request
from tests.server.conftest import DATABASES

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 25
ITEM = "m1"


@pytest.fixture(scope="module", params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of an empty database, one for all tests."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('document') / 'server.db'}"
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        with cluster.database() as url:
            yield url


@pytest.fixture(scope="module")
def served(url: str) -> Iterator[FastAPI]:
    """Return a server on a database of its own."""
    app = create_app(Settings(database=url))
    services: Services = app.state.services
    asked = SyncRequest.model_validate(sync_request(message(1, item=ITEM)))
    services.database.write(lambda c: answer(c, LOCAL, services.registry, asked, now=1))
    yield app
    # What Schemathesis began with the first request, and would let run to the end of the process.
    asgi.shutdown_lifespans()
    services.close()


WITH_INPUT = [
    ("POST", "/api/sync"),
    ("GET", "/api/{collection}"),
    ("POST", "/api/{collection}"),
    ("PUT", "/api/{collection}/{item_id}"),
    ("POST", "/api/push/subscribe"),
    ("POST", "/api/push/unsubscribe"),
]
OPERATIONS = [
    *WITH_INPUT,
    ("GET", "/api/health"),
    ("GET", "/api/metrics"),
    ("GET", "/api/push/key"),
    ("GET", "/api/events"),
    ("GET", "/api/{collection}/{item_id}"),
    ("DELETE", "/api/{collection}/{item_id}"),
]


@pytest.fixture(scope="module")
def document(served: FastAPI) -> schemathesis.BaseSchema:
    # An event stream has no end to wait for.
    config = SchemathesisConfig.from_dict({"max-stream-events": 1})
    return schemathesis.openapi.from_asgi("/api/openapi.json", served, config=config)


def test_every_operation_is_tried(served: FastAPI) -> None:
    paths = served.openapi()["paths"]
    found = {(method.upper(), path) for path in paths for method in paths[path]}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_to_what_the_document_allows_are_those_it_names(
    document: schemathesis.BaseSchema, method: str, path: str
) -> None:
    try_out(document, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), WITH_INPUT)
def test_answers_to_what_the_document_forbids_are_those_it_names(
    document: schemathesis.BaseSchema, method: str, path: str
) -> None:
    try_out(document, method, path, GenerationMode.NEGATIVE)


def try_out(
    document: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    """Make requests, some of them on a collection and an item that are there, and check."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(document[path][method].as_strategy(generation_mode=mode), st.integers(0, 2))
    def try_one(case: schemathesis.Case[Any], known: int) -> None:
        there = {"collection": COLLECTION, "item_id": ITEM}
        for name in list(there)[:known]:
            if name in case.path_parameters:
                case.path_parameters[name] = there[name]
        case.call_and_validate(checks=CHECKS)

    try_one()
