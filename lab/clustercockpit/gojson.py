# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as Go's decoder takes it with unknown fields forbidden, and as its encoder writes it.

Names match without regard to case, null is as good as nothing, whole numbers have no point, and what follows the first
value is not looked at. Go, not cc-backend, makes the texts of these errors: they are the ones of the Go that the recorded
backends were built with, which names list indices and map keys in the path (`nodes.0.states`)."""

import json
import re
from dataclasses import dataclass

SURROGATE = re.compile("[\ud800-\udfff]")
ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
# What Python's parser says, and what Go's says of the same place.
WANTED = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


class DecodeError(Exception):
    """The text of Go's error."""


class _Number(str):
    """A number as it was written."""


class _Object(list):
    """The members of an object, in order and with repetitions."""


def _kind(value):
    if isinstance(value, _Number):
        return "number"
    return {bool: "bool", str: "string", list: "array", _Object: "object"}[type(value)]


def _mismatch(kind, go, path):
    place = f"Go struct field {path[0].rpartition('.')[2]}.{'.'.join(path[1:])}" if len(path) > 1 else "Go value"
    return DecodeError(f"json: cannot unmarshal {kind} into {place} of type {go}")


@dataclass(frozen=True)
class Word:
    """A string, under the name that Go has for it."""

    go: str = "string"

    def take(self, value, path):
        if type(value) is not str:
            raise _mismatch(_kind(value), self.go, path)
        return value


@dataclass(frozen=True)
class Whole:
    go: str
    bits: int

    def take(self, value, path):
        if not isinstance(value, _Number):
            raise _mismatch(_kind(value), self.go, path)
        if not re.fullmatch(r"-?\d+", value) or not -(2 ** (self.bits - 1)) <= int(value) < 2 ** (self.bits - 1):
            raise _mismatch(f"number {value}", self.go, path)
        return int(value)


@dataclass(frozen=True)
class Real:
    go: str = "float64"

    def take(self, value, path):
        if not isinstance(value, _Number):
            raise _mismatch(_kind(value), self.go, path)
        if float(value) in (float("inf"), float("-inf")):
            raise _mismatch(f"number {value}", self.go, path)
        return float(value)


@dataclass(frozen=True)
class List:
    element: object
    pointer: bool = False

    @property
    def go(self):
        return ("[]*" if self.pointer else "[]") + self.element.go

    def take(self, value, path):
        if type(value) is not list:
            raise _mismatch(_kind(value), self.go, path)
        start = path or (self.go,)
        empty = {} if isinstance(self.element, Struct) else "" if isinstance(self.element, Word) else 0
        return [empty if one is None else self.element.take(one, (*start, str(i))) for i, one in enumerate(value)]


@dataclass(frozen=True)
class Map:
    element: object

    @property
    def go(self):
        return "map[string]" + self.element.go

    def take(self, value, path):
        if type(value) is not _Object:
            raise _mismatch(_kind(value), self.go, path)
        empty = {} if isinstance(self.element, Struct) else "" if isinstance(self.element, Word) else 0.0
        return {key: empty if one is None else self.element.take(one, (*path, key)) for key, one in value}


@dataclass(frozen=True)
class Struct:
    go: str
    fields: dict

    def take(self, value, path=()):
        if type(value) is not _Object:
            raise _mismatch(_kind(value), self.go, path)
        start = path or (self.go,)
        folded = {name.lower(): name for name in self.fields}
        taken = {}
        for key, one in value:
            name = key if key in self.fields else folded.get(key.lower())
            if name is None:
                raise DecodeError(f'json: unknown field "{key}"')
            if one is not None:
                taken[name] = self.fields[name].take(one, (*start, name))
            elif isinstance(self.fields[name], (List, Map)):
                taken.pop(name, None)
        return taken


STRING, FLOAT = Word(), Real()
INT, INT32, INT64 = Whole("int", 64), Whole("int32", 32), Whole("int64", 64)


def _refuse(constant):
    raise ValueError(constant)


_PARSER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
)


def _parse(text):
    text = text.lstrip(" \t\r\n")
    if not text:
        raise DecodeError("EOF")
    try:
        return _PARSER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip(" \t\r\n")) or error.msg.startswith("Unterminated string")
        if cut or any(word.startswith(text[error.pos :]) for word in ("true", "false", "null")):
            raise DecodeError("unexpected EOF") from None
        wanted = WANTED.get(error.msg, "looking for beginning of value")
        raise DecodeError(f"invalid character {_quoted(text[error.pos])} {wanted}") from None
    except ValueError as error:
        raise DecodeError(f"invalid character {_quoted(str(error)[0])} looking for beginning of value") from None


def _quoted(character):
    return {"'": "'\\''", '"': "'\"'", "\n": "'\\n'", "\t": "'\\t'"}.get(character, f"'{character}'")


def _clean(value):
    """Halves of a surrogate pair are replaced, as Go does it."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if type(value) is list:
        return [_clean(one) for one in value]
    if isinstance(value, _Object):
        return _Object((_clean(key), _clean(one)) for key, one in value)
    return value


def decode(body, form):
    """What is in a request's body (bytes): a dict with the fields that were given. DecodeError with Go's text."""
    value = _clean(_parse(body.decode("utf-8", "replace")))
    if value is None:
        return [] if isinstance(form, List) else {}
    return form.take(value, ())


def _whole(value):
    """Go writes a float that is whole without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def encode(value):
    """A JSON document, with the line end that Go's encoder writes after it."""
    text = json.dumps(_whole(value), separators=(",", ":"), ensure_ascii=False)
    return (text.translate(ESCAPES) + "\n").encode()


def ordered(mapping):
    """Go writes maps in the order of their keys."""
    return None if mapping is None else dict(sorted(mapping.items()))
