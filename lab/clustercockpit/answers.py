# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as cc-backend's handlers write them."""

from dataclasses import dataclass, field
from http import HTTPStatus

from gojson import encode

JSON = ("Content-Type", "application/json")
# Go calls it by its older name.
NAMES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}


@dataclass
class Answer:
    status: int
    headers: list = field(default_factory=list)
    body: bytes = b""


class Refused(Exception):
    """Ends a request with an answer."""

    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


def name(status):
    return NAMES.get(status) or HTTPStatus(status).phrase


def document(status, value):
    return Answer(status, [JSON], encode(value))


def error(status, reason):
    """The usual refusal: a document with the status's name and the reason."""
    return document(status, {"status": name(status), "error": reason})


def text(status, reason):
    """A refusal by Go's http.Error."""
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    return Answer(status, headers, (reason + "\n").encode())
