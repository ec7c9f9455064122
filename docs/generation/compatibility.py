"""Whether a changed contract still keeps what was published: the schemas as they are against those of the last release.

A published fact version never changes: whoever reads it holds on to everything that it promised, and what was stored
must still be one. A published submission version may only take more: what was valid stays valid. Only what
`docs.generation.schemas` writes is understood here; a keyword that is not is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Schema = Mapping[str, Any]

SUBMISSION = "zeren.submission."
TOLD = {"title", "description"}
"""They bind nobody."""
UPPER = {"maxLength", "maximum", "maxItems"}
LOWER = {"minLength", "minimum", "minItems"}
FIXED = {"$schema", "$id", "format", "pattern", "default"}
OPEN: Schema = {}

MOVED = ("从 {old} 改为 {new}", "went from {old} to {new}")
GONE_ZH, GONE_EN = "不见了", "is gone"


class Change(NamedTuple):
    """One thing that became different.

    Attributes:
        path: the field, "data.lines[].minutes"; "" for the whole document.
        narrows: something that was valid is valid no more.
        widens: something is valid that was not.
    """

    path: str
    zh: str
    en: str
    narrows: bool
    widens: bool


def refusals(published: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """Why the contracts as they are can't be published or merged, for people; empty where they can."""
    return [refusal for name, old in published.items() for refusal in _of_type(name, old, now.get(name))]


def _of_type(name: str, old: Schema, new: Schema | None) -> Iterator[str]:
    submission = name.startswith(SUBMISSION)
    if new is None:
        zh, en = "已发布，不可取消；请恢复它", "was published and can't be withdrawn: put it back"
        yield f"{name} {zh} / {name} {en}"
        return
    for change in changes(old, new):
        if change.narrows or not submission:
            way = _WAY_OF_SUBMISSIONS if submission else _WAY_OF_FACTS
            at = change.path or "（整份 / whole）"
            yield f"{name} {at}：{change.zh}。{way[0]} / {change.en}. {way[1]}"


_WAY_OF_FACTS = (
    "已发布的事实版本不再改动：请恢复，或另建新版本（类、样例文件、upcast）",
    "A published fact version never changes: put it back, or make a new version (class, golden file, upcast)",
)
_WAY_OF_SUBMISSIONS = (
    "以前有效的文档必须仍然有效：请放宽，或另建新版本",
    "What was valid must stay valid: loosen it, or make a new version",
)


def changes(old: Schema, new: Schema, path: str = "") -> Iterator[Change]:
    """Every difference that binds somebody. Raises: ValueError for a keyword that is not understood."""
    yield from _types(old, new, path)
    yield from _values(old, new, path)
    for keyword in sorted({*old, *new} - _ELSEWHERE):
        if keyword in UPPER | LOWER:
            yield from _bound(keyword, old.get(keyword), new.get(keyword), path)
        elif keyword in FIXED:
            yield from _fixed(keyword, old.get(keyword), new.get(keyword), path)
        else:
            raise ValueError(f"{path or 'schema'}: keyword {keyword} is not understood by the comparison")
    yield from _properties(old, new, path)
    yield from _required(old, new, path)
    yield from _others(old, new, path)
    if "items" in old or "items" in new:
        yield from changes(old.get("items", OPEN), new.get("items", OPEN), f"{path}[]")


_ELSEWHERE = TOLD | {"type", "enum", "const", "properties", "required", "additionalProperties", "items"}


def _types(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    yield from _set("type", _type_names(old), _type_names(new), path)


def _type_names(schema: Schema) -> frozenset[str] | None:
    names = schema.get("type")
    return None if names is None else frozenset([names] if isinstance(names, str) else names)


def _values(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    yield from _set("enum", _allowed(old), _allowed(new), path)


def _allowed(schema: Schema) -> frozenset[str] | None:
    if "const" in schema:
        return frozenset((str(schema["const"]),))
    return frozenset(map(str, schema["enum"])) if "enum" in schema else None


def _set(what: str, old: frozenset[str] | None, new: frozenset[str] | None, path: str) -> Iterator[Change]:
    """Values that are allowed; None: all of them."""
    if old != new:
        narrows = new is not None and (old is None or not old <= new)
        widens = old is not None and (new is None or not new <= old)
        yield _moved(what, old and sorted(old), new and sorted(new), path, narrows=narrows, widens=widens)


def _bound(keyword: str, old: int | None, new: int | None, path: str) -> Iterator[Change]:
    if old == new:
        return
    tighter = old is None or (new is not None and (new < old if keyword in UPPER else new > old))
    yield _moved(keyword, old, new, path, narrows=tighter, widens=not tighter)


def _fixed(keyword: str, old: Any, new: Any, path: str) -> Iterator[Change]:
    """A pattern, format, name or default: which of two says more can't be told, so another one is both."""
    if old != new:
        yield _moved(keyword, old, new, path, narrows=new is not None, widens=old is not None)


def _moved(what: str, old: Any, new: Any, path: str, *, narrows: bool, widens: bool) -> Change:
    zh, en = (text.format(old=_shown(old), new=_shown(new)) for text in MOVED)
    return Change(path, f"{what} {zh}", f"{what} {en}", narrows, widens)


def _shown(value: Any) -> str:
    if value is None:
        return "—"
    return (
        ", ".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )


def _properties(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    before, after = old.get("properties", OPEN), new.get("properties", OPEN)
    for name in [*before, *(name for name in after if name not in before)]:
        here = f"{path}.{name}" if path else name
        if name not in after:
            # An object that takes no other fields refuses it now; one that does promises nothing of it any more.
            yield Change(here, f"字段{GONE_ZH}", f"the field {GONE_EN}", narrows=_closed(new), widens=True)
        elif name not in before:
            yield Change(here, "新增字段", "the field is new", narrows=not _closed(old), widens=_closed(old))
        else:
            yield from changes(before[name], after[name], here)


def _closed(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False


def _required(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before ^ after):
        here = f"{path}.{name}" if path else name
        if name in after:
            yield Change(here, "成为必填", "became required", narrows=True, widens=False)
        else:
            yield Change(here, "不再必填", "is required no more", narrows=False, widens=True)


def _others(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    """What fields without a name of their own may hold: nothing (False), anything (absent), or by a schema."""
    before, after = (schema.get("additionalProperties") for schema in (old, new))
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from changes(before, after, f"{path}.*")
    elif before != after:
        yield Change(
            path,
            "对未列明字段的态度变了",
            "what it says of fields that it does not name is another",
            narrows=after is not None and before is not False,
            widens=before is not None and after is not False,
        )


def bare(schema: Any) -> Any:
    """A schema without what binds nobody: what the baseline keeps."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: rest for key, rest in schema.items() if key not in TOLD}
    if "properties" in kept:
        kept["properties"] = {name: bare(each) for name, each in kept["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in kept:
            kept[keyword] = bare(kept[keyword])
    return kept
