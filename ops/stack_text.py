"""Changes settings in the text of a stack file; every other byte of it stays as it is.

A YAML library that keeps comments hangs each one on the node before it: a key that is removed takes
the comment of the next one along, and a key that is added comes behind it. So the parser only says
here where things are, and the text is changed in these places.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

import yaml

from ops import UserError

_CONFIG: Final = "config"
_NOTHING: Final = object()
"""In place of the value of a setting that is to go."""

_REMEDY: Final = "write it as a mapping, a key on each line, or change it by hand"


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, others with their dashes indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never without an indentation, which is how stack files are written."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write out what occurs twice."""
        return True


def _sequence(dumper: _Dumper, data: Sequence[Any]) -> yaml.Node:
    short = not any(isinstance(item, dict | list) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=short)


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(tuple, _sequence)


def with_setting(text: str, path: Sequence[str], value: Any) -> str:
    """The text with one setting set; `path` begins with a full key such as `tracing:tempo`.

    What is new comes last in its section. Raises UserError where the file is written in a way that
    can't be changed without losing something.
    """
    return _checked(text, path, _set(text, (_CONFIG, *path), value), value)


def without_setting(text: str, path: Sequence[str]) -> str:
    """The text without one setting; the comments around it stay. Raises UserError as above."""
    return _checked(text, path, _removed(text, (_CONFIG, *path)), _NOTHING)


def _checked(text: str, path: Sequence[str], changed: str, value: Any) -> str:
    """Refuse a text that does not say what it is to say: anchors, for one, reach further."""
    wanted = _unshared(yaml.safe_load(text) or {})
    place = wanted
    for key in (_CONFIG, *path[:-1]):
        if not isinstance(place.get(key), dict):
            if value is _NOTHING:
                # Nothing is there that could go.
                return text
            if place.get(key) not in (None, []):
                # Such as a whole section as one line of JSON, which would be lost.
                raise _refused(path)
            place[key] = {}
        place = place[key]
    if value is _NOTHING:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    # No settings at all are the same as an empty mapping of them.
    wanted[_CONFIG] = wanted[_CONFIG] or None
    try:
        said = yaml.safe_load(changed)
        unharmed = said | {_CONFIG: said[_CONFIG] or None} == wanted
    except yaml.YAMLError:
        unharmed = False
    if not unharmed:
        raise _refused(path)
    return changed


def _unshared(value: Any) -> Any:
    """A copy in which an anchor and its aliases are values of their own."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _refused(path: Sequence[str]) -> UserError:
    return UserError(
        f"{'.'.join(path)} can't be changed in the stack file without touching something else (an "
        f"anchor, a mapping in braces over several lines, or one as JSON text); {_REMEDY}"
    )


def _set(text: str, path: Sequence[str], value: Any) -> str:
    section, key_node, value_node, rest = _found(text, path)
    if rest:
        if isinstance(value_node, yaml.MappingNode) and value_node.flow_style and value_node.value:
            return _in_braces(text, path, rest, value_node, value)
        if section is None or section is not value_node:
            # What stands there is no section yet: nothing at all, {} or a plain value.
            return _replaced(text, key_node, value_node, _nested(rest, value))
        return _added(text, section, rest[0], _nested(rest[1:], value))
    return _replaced(text, key_node, value_node, value)


def _removed(text: str, path: Sequence[str]) -> str:
    section, key_node, value_node, rest = _found(text, path)
    if rest:
        if isinstance(value_node, yaml.MappingNode) and value_node.flow_style and value_node.value:
            return _in_braces(text, path, rest, value_node, _NOTHING)
        return text
    assert section is not None
    if len(section.value) == 1 and len(path) > 2:
        # Nothing behind a colon would read like a forgotten value.
        return _set(text, path[:-1], {})
    start = _line_start(text, key_node.start_mark.index)
    return text[:start] + text[_line_end(text, _end(text, key_node, value_node)) :]


def _found(
    text: str, path: Sequence[str]
) -> tuple[yaml.MappingNode | None, Any, Any, Sequence[str]]:
    """The way along a path as far as it exists: the section, key and value, and what is left.

    Mappings in braces are not entered.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    section: yaml.MappingNode | None = None
    key_node, value_node = None, node
    for depth, part in enumerate(path):
        if not isinstance(value_node, yaml.MappingNode) or value_node.flow_style:
            return section, key_node, value_node, path[depth:]
        section = value_node
        entry = next((pair for pair in section.value if pair[0].value == part), None)
        if entry is None:
            return section, key_node, section, path[depth:]
        key_node, value_node = entry
    return section, key_node, value_node, ()


def _replaced(text: str, key_node: Any, value_node: Any, value: Any) -> str:
    """Another value behind a key."""
    if key_node is None:
        # An empty file, or one with nothing but comments.
        return _terminated(text) + _dumped(value, 0)
    column, end = key_node.start_mark.column, _end(text, key_node, value_node)
    colon = text.index(":", key_node.end_mark.index) + 1
    body = _dumped({"k": value}, 0).removeprefix("k:").rstrip("\n")
    inline = not body.startswith("\n")
    if inline and value_node.start_mark.line == key_node.start_mark.line:
        # A comment behind the value stays behind the new one.
        start = max(colon, value_node.start_mark.index)
        space = "" if text[start - 1] == " " else " "
        return text[:start] + space + body.strip() + text[end:]
    indented = textwrap.indent(body, " " * column, lambda line: line.strip() != "")
    return text[:colon] + (" " + body.strip() if inline else _breaks(text, indented)) + text[end:]


def _added(text: str, section: yaml.MappingNode | None, key: str, value: Any) -> str:
    """One more entry behind the last one of a section."""
    assert section is not None
    last_key, last_value = section.value[-1]
    end = _line_end(text, _end(text, last_key, last_value))
    entry = _dumped({key: value}, last_key.start_mark.column)
    return _terminated(text[:end]) + _breaks(text, entry) + text[end:]


def _in_braces(
    text: str, path: Sequence[str], rest: Sequence[str], node: yaml.MappingNode, value: Any
) -> str:
    """A mapping in braces, written again with one entry changed."""
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if "\n" in written or "&" in written or "*" in written:
        raise _refused(path[1:])
    content = yaml.safe_load(written)
    place = content
    for part in rest[:-1]:
        place = place.setdefault(part, {})
    if value is _NOTHING:
        place.pop(rest[-1], None)
    else:
        place[rest[-1]] = value
    flow = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=10**6)
    return text[:start] + flow.strip() + text[end:]


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _dumped(value: Any, column: int) -> str:
    block = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=10**6,
        allow_unicode=True,
    )
    return textwrap.indent(block, " " * column)


def _breaks(text: str, added: str) -> str:
    """With the line ends of the file that it comes into."""
    return added.replace("\n", "\r\n") if "\r\n" in text else added


def _terminated(text: str) -> str:
    return text if not text or text.endswith("\n") else text + _breaks(text, "\n")


def _end(text: str, key_node: yaml.Node, value_node: yaml.Node) -> int:
    """Where an entry's value ends: of a block the last value in it, not what follows that."""
    if isinstance(value_node, yaml.CollectionNode) and not value_node.flow_style:
        last = value_node.value[-1]
        pair = last if isinstance(last, tuple) else (key_node, last)
        return _end(text, pair[0], pair[1])
    end = max(value_node.end_mark.index, key_node.end_mark.index)
    if isinstance(value_node, yaml.ScalarNode) and value_node.value == "":
        # Nothing behind the colon, or quotes with nothing in between.
        return max(end, text.index(":", key_node.end_mark.index) + 1)
    while text[end - 1] in "\r\n \t":
        # A block scalar ends behind the line that it ends in.
        end -= 1
    return end


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
