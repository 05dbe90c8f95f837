"""Columns of any type, as converters write them -> typed batches of a dump's table, by the rules that XML is read by.

Names may be the dump's (`PostTypeId`), in lower case, or snake case (`post_type_id`). Numbers may be integers, floats
without a fraction or text; times timestamps, dates, ISO 8601 text or numbers since 1970; tags lists, `<a><b>`, `|a|b|`
or `a|b`. A value that is nothing of the kind makes its row unreadable.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import njit
from socorpus.corpus.dump.xml_rows import FORBIDDEN, NOT_UTF8, typed
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import DUMP, TIME, Attribute, dump_schema

Mask = npt.NDArray[np.bool_]
Given: TypeAlias = Any
"""A column: Arrow's, or plain values of kinds that may differ from row to row."""

MOST_COLUMNS = 1000
"""Columns of a table, or keys of an object, that are read."""
NOTHING = ("", "null", "none", "nan", "na", "nat", "\\n")
"""Texts, in lower case, that stand for no number, time or boolean."""
_WHOLE = re.compile(r"([+-]?[0-9]{1,20})(?:\.0*)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
_BARE_TAGS = re.compile(r"[^\s<>|,;\[\]\"']+(?:\|[^\s<>|,;\[\]\"']+)*")
_QUOTED_TAGS = re.compile(r"""\[\s*(?:(?:'[^']*'|"[^"]*")\s*(?:,\s*(?:'[^']*'|"[^"]*")\s*)*)?\]""")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 80
# Numbers since 1970 are told apart by their size: from 1973 to 5138 as seconds, and so on.
_SCALES = ((10**8, 10**11, 1000, 1), (10**11, 10**14, 1, 1), (10**14, 10**17, 1, 1000), (10**17, 10**19, 1, 10**6))


@dataclass(frozen=True)
class Typed:
    """The rows of a batch: those that could be read, and what is known of the others."""

    batch: pa.Table
    """Schema `dump_schema(table)`."""
    readable: Mask
    """bool[n], of the rows that were given."""
    reasons: Mapping[int, str]
    """Row -> why it can't be read."""
    repaired: Mapping[int, str]
    """Row of `batch`, by its place among those that were given -> `NOT_UTF8` or `FORBIDDEN`."""


@dataclass(frozen=True)
class Names:
    """Which column of a file is which of a table."""

    known: Mapping[str, str]
    """Column of the schema -> name in the file."""
    unknown: tuple[str, ...]


def names_of(table: str, given: Sequence[str], file: str) -> Names:
    """Match a file's columns with a table's.

    Raises:
        InputError: two columns are the same, none is the row's identifier, or there are more than `MOST_COLUMNS`.
    """
    if len(given) > MOST_COLUMNS:
        raise InputError(f"{file}: has {len(given):,} columns, and no table of a dump more than 25: it isn't one")
    places = {attribute.column.replace("_", ""): attribute.column for attribute in DUMP[table]}
    places |= {attribute.xml.lower(): attribute.column for attribute in DUMP[table]}
    known: dict[str, str] = {}
    unknown = []
    for name in given:
        column = places.get(re.sub(r"[\s_\-\ufeff]", "", name).lower())
        if column is None:
            unknown.append(name)
        elif column in known:
            raise InputError(f"{file}: its columns {known[column]!r} and {name!r} are both {column}: leave out either")
        else:
            known[column] = name
    return Names(known, tuple(unknown))


def check_names(table: str, names: Names, file: str) -> None:
    """Hold the columns of a file, which all its rows have, against what a table can't do without.

    Raises:
        InputError: the identifier is missing; names it, and the columns that are there.
    """
    identifier = DUMP[table][0]
    if identifier.column not in names.known:
        listed = ", ".join([*names.known.values(), *names.unknown][:20]) or "none"
        raise InputError(
            f"{file}: has no column {identifier.xml} (or {identifier.column}), so it isn't the table {table}; it has "
            f"{listed}"
        )


def convert(
    table: str,
    site: str,
    columns: Mapping[str, Given],
    rows: int,
    *,
    needed: Sequence[Sequence[str]] = (),
    longest: int = 1 << 62,
    unknown: Sequence[str] = (),
    blank: bool = False,
) -> Typed:
    """Columns by the schema's names -> the table's schema, with the rows that can't be read apart.

    Args:
        columns: each of `rows` values; a column that is not there has none.
        needed: as `schema.NEEDED`.
        longest: bytes of text of a row that is read.
        unknown: names that are not known, for the reasons.
        blank: whether an empty field was read as null, as from CSV: an empty text that a row can't be without is one.
    """
    reasons: dict[int, str] = {}
    repaired: dict[int, str] = {}
    arrays: dict[str, pa.Array] = {}
    size = np.zeros(rows, np.int64)
    for attribute in DUMP[table]:
        given = columns.get(attribute.column)
        if given is None:
            arrays[attribute.column] = pa.nulls(rows, attribute.type)
            continue
        array, wrong, mended = _column(attribute, given)
        for row, reason in wrong.items():
            reasons.setdefault(row, reason)
        for row, reason in mended.items():
            repaired[row] = NOT_UTF8 if NOT_UTF8 in (reason, repaired.get(row)) else reason
        arrays[attribute.column] = array
        if attribute.type == pa.string() and array.nbytes > longest:
            size += np.asarray(pc.fill_null(pc.binary_length(array), 0), dtype=np.int64)
    for row in np.flatnonzero(size > longest).tolist():
        reasons[row] = f"longer than {longest >> 10:,} kB, the limit of read.row_kb"
    written = {attribute.column: attribute.xml for attribute in DUMP[table]}
    for alternatives in ((DUMP[table][0].column,), *needed):
        lacking = np.ones(rows, bool)
        for name in alternatives:
            lacking &= np.asarray(arrays[name].is_null())
        first = alternatives[0]
        if not lacking.any():
            continue
        if blank and first in columns and arrays[first].type == pa.string():
            arrays[first] = pc.if_else(pa.array(lacking), "", arrays[first])
            continue
        others = f"; not known are {', '.join(sorted(unknown)[:5])}" if unknown else ""
        for row in np.flatnonzero(lacking).tolist():
            reasons.setdefault(row, f"the column {written[first]} is missing or empty{others}")
    readable = np.ones(rows, bool)
    readable[list(reasons)] = False
    whole = [pa.repeat(pa.scalar(site), rows), *(arrays[attribute.column] for attribute in DUMP[table])]
    batch = pa.Table.from_arrays(whole, schema=dump_schema(table).remove_metadata())
    if reasons:
        batch = batch.filter(pa.array(readable))
        repaired = {row: reason for row, reason in repaired.items() if row not in reasons}
    return Typed(batch.cast(dump_schema(table)), readable, reasons, dict(sorted(repaired.items())))


_Column = tuple[pa.Array, dict[int, str], dict[int, str]]


def _column(attribute: Attribute, given: Given) -> _Column:
    """A column in the attribute's type, the reasons of wrong values by row, and the repairs by row."""
    array = _arrow(given)
    if array is not None and pa.types.is_null(array.type):
        return pa.nulls(len(array), attribute.type), {}, {}
    if array is not None and (fast := _fast(attribute.type, array)) is not None:
        return _mended(fast) if attribute.type in (pa.string(), pa.list_(pa.string())) else (fast, {}, {})
    values: list[Any] = array.to_pylist() if array is not None and not isinstance(given, list) else list(given)
    wrong: dict[int, str] = {}
    surrogates: dict[int, str] = {}
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            values[row] = plain = _value(attribute, value)
        except (ValueError, OverflowError):
            values[row] = None
            wrong[row] = f"{attribute.xml}={_text(value)[:_SHOWN]!r} is not of type {attribute.type}"
            continue
        if isinstance(plain, str | list) and _SURROGATE.search(plain if isinstance(plain, str) else "".join(plain)):
            values[row] = (
                _SURROGATE.sub("\ufffd", plain)
                if isinstance(plain, str)
                else [_SURROGATE.sub("\ufffd", part) for part in plain]
            )
            surrogates[row] = NOT_UTF8
    array = pa.array(values, attribute.type)
    if attribute.type in (pa.string(), pa.list_(pa.string())):
        array, _, mended = _mended(array)
        return array, wrong, mended | surrogates
    return array, wrong, {}


def _text(value: Any) -> str:
    """A value for a reason, without what no file could take."""
    return _SURROGATE.sub("\ufffd", f"{value}")


def _arrow(given: Given) -> pa.Array | None:
    """A column as one Arrow array without dictionaries and wide strings; None where its values are of several kinds."""
    if isinstance(given, list):
        try:
            given = pa.array(given)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError, OverflowError):
            return None
    if isinstance(given, pa.ChunkedArray):
        given = given.combine_chunks() if given.num_chunks != 1 else given.chunk(0)
    if pa.types.is_dictionary(given.type):
        given = given.dictionary_decode()
    kind = given.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        given = given.cast(pa.string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        # What is no UTF-8 is seen later.
        given = pa.Array.from_buffers(pa.string(), len(wide := given.cast(pa.binary())), _buffers(wide), offset=0)
    return given


def _buffers(binary: pa.Array) -> list[pa.Buffer | None]:
    return list((pa.concat_arrays([binary]) if binary.offset else binary).buffers())


def _fast(kind: pa.DataType, array: pa.Array) -> pa.Array | None:
    """The whole column by Arrow's own casts; None where a value needs a closer look."""
    try:
        if kind == pa.string():
            return _as_text(array)
        if kind == pa.list_(pa.string()):
            return _as_tags(array)
        if pa.types.is_string(array.type):
            array = _without_nothing(array)
        if kind == TIME:
            return _as_times(array)
        if kind == pa.bool_():
            return array if pa.types.is_boolean(array.type) else None
        if pa.types.is_boolean(array.type):
            return None
        if pa.types.is_floating(array.type):  # as pandas has integers of which some are missing
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        whole = pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_string(array.type)
        return array.cast(kind) if whole else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _without_nothing(array: pa.Array) -> pa.Array:
    """Texts, with null in place of those that stand for nothing."""
    if not len(array) or int(np.asarray(pc.min(pc.binary_length(array)).as_py() or 0)) > 4:
        return array
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(array))
    nothing = pc.is_in(lower, value_set=pa.array(NOTHING))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), array)


def _as_text(array: pa.Array) -> pa.Array | None:
    if pa.types.is_string(array.type):
        return array
    plain = pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)
    return array.cast(pa.string()) if plain else None


def _as_times(array: pa.Array) -> pa.Array | None:
    kind = array.type
    if pa.types.is_date(kind):
        array = array.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(array.type):
        # Digits behind milliseconds are cut off, as those of the XML are.
        return array.cast(TIME, safe=False)
    if pa.types.is_integer(kind):
        return None
    if pa.types.is_string(kind):
        if (moments := _iso(array)) is not None:
            return moments
        for unit in ("ms", "us", "ns"):
            for zone in (None, "UTC"):
                try:
                    return array.cast(pa.timestamp(unit, zone)).cast(TIME, safe=False)
                except pa.ArrowInvalid:
                    continue
    return None


_ZONES = (b"", b"Z", b"+00:00", b" UTC", b"+00")
_POWERS = np.array([100, 10, 1])


def _iso(array: pa.Array) -> pa.Array | None:
    """Texts that are all written alike, `YYYY-MM-DDThh:mm:ss` with or without a fraction, as times; None of others.

    Days by the proleptic Gregorian calendar, counted from March so that leap days end a year (Hinnant,
    "chrono-Compatible Low-Level Date Algorithms", 2013).
    """
    array = pa.concat_arrays([array]) if array.offset else array
    _, ends, data = array.buffers()
    if data is None or not len(array):
        return None
    bounds = np.frombuffer(ends, np.int32)[: len(array) + 1]
    length = int(bounds[-1] - bounds[0]) // max(1, len(array) - array.null_count)
    widths = np.diff(bounds)
    there = np.asarray(array.is_valid())
    if length < 19 or not ((widths == length) == there).all() or widths[~there].any():
        return None
    signs = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(-1, length)
    first = signs[0].tobytes()
    digits = len(first[20:]) - len(first[20:].lstrip(b"0123456789")) if first[19:20] == b"." else 0
    end = 20 + digits if first[19:20] == b"." else 19
    if first[end:] not in _ZONES or first[4:5] + first[7:8] + first[13:14] + first[16:17] != b"--::":
        return None
    if first[10:11] not in (b"T", b" ") or (end == 20):
        return None
    places = [place for place in range(end) if place not in (4, 7, 10, 13, 16, 19)]
    others = [place for place in range(length) if place not in places]
    if not (signs[:, others] == signs[0, others]).all():
        return None
    numbers = signs[:, places].astype(np.int32) - ord("0")
    if ((numbers < 0) | (numbers > 9)).any():
        return None
    year = numbers[:, :4] @ np.array([1000, 100, 10, 1])
    month, day, hour, minute, second = (numbers[:, 4 + 2 * i] * 10 + numbers[:, 5 + 2 * i] for i in range(5))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    wrong = (month < 1) | (month > 12) | (day < 1) | (hour > 23) | (minute > 59) | (second > 59) | (year < 1)
    if wrong.any() or (day > lengths[month] + ((month == 2) & leap)).any():
        return None
    shifted = year - (month <= 2)
    era_day = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + era_day - 719_468
    fraction = numbers[:, 14 : 14 + min(digits, 3)] @ _POWERS[: min(digits, 3)]
    moments = np.zeros(len(array), np.int64)
    moments[there] = (days.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + second) * 1000 + fraction
    return pa.array(moments, pa.int64(), mask=~there).cast(TIME)


def _as_tags(array: pa.Array) -> pa.Array | None:
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_null(kind.value_type):
            return array.cast(pa.list_(pa.string()))
        wide = array.cast(pa.list_(pa.string()))
        flat = wide.flatten()
        empty = flat.null_count or pc.any(pc.equal(pc.binary_length(flat), 0)).as_py()
        return None if empty else wide
    if not pa.types.is_string(kind):
        return None
    for pattern, between in (("^(?:<[^<>]+>)+$", "><"), ("^\\|(?:[^|]+\\|)+$", "|")):
        if pc.all(pc.match_substring_regex(array, pattern)).as_py():  # of nothing but nulls too
            return pc.split_pattern(pc.utf8_slice_codeunits(array, 1, -1), between)
    return None


def _value(attribute: Attribute, value: Any) -> Any:
    """One value in the attribute's type, times as milliseconds; None for what stands for nothing.

    Raises:
        ValueError: it is nothing of the kind.
    """
    kind = attribute.type
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if kind == pa.string():
        if isinstance(value, dict | list):
            raise ValueError
        if isinstance(value, bool):
            return f"{value}".lower()
        if isinstance(value, float):
            return None if value != value else f"{value:.0f}" if value.is_integer() else f"{value}"
        return value if isinstance(value, str) else f"{value}"
    if kind == pa.list_(pa.string()):
        return _tags(attribute, value)
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in NOTHING:
            return None
    if isinstance(value, float):
        if value != value:
            return None
        if value.is_integer():
            value = int(value)
    if kind == pa.bool_():
        named = {"true": True, "false": False, "1": True, "0": False}
        return named[key] if (key := f"{value}".lower()) in named else _refuse()
    if kind == TIME:
        return _moment(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        # A decimal of Arrow's, of which many converters make numbers.
        value = f"{value}" if type(value).__name__ == "Decimal" else _refuse()
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value)
        value = int(match[1]) if match else _refuse()
    bound = 1 << (kind.bit_width - 1)
    return value if -bound <= value < bound else _refuse()


def _refuse() -> Any:
    raise ValueError


def _moment(value: Any) -> int:
    """Milliseconds since 1970."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, date):
        return (datetime(value.year, value.month, value.day, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(_WHOLE.fullmatch(value)[1])  # type: ignore[index]
    if isinstance(value, int) and not isinstance(value, bool):
        for least, most, times, by in _SCALES:
            if least <= value < most:
                return value * times // by
        raise ValueError
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    zone = match[4] or "Z"
    moment = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}{'+00:00' if zone in ('Z', 'UTC') else zone}")
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int((match[3] or "0")[:3].ljust(3, "0"))


def _tags(attribute: Attribute, value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        if any(not isinstance(tag, str | None) for tag in value):
            raise ValueError
        return [tag for tag in value if tag]
    if not isinstance(value, str):
        raise ValueError
    bare = value.strip()
    if _QUOTED_TAGS.fullmatch(bare):
        return [tag[1:-1] for tag in re.findall(r"""'[^']*'|"[^"]*\"""", bare) if tag[1:-1]]
    if bare.startswith("["):
        return _tags(attribute, json.loads(bare))
    if _BARE_TAGS.fullmatch(bare):
        return bare.split("|")
    return list(typed(attribute, value))


def _mended(array: pa.Array) -> _Column:
    """Texts with U+FFFD in place of bytes that are not UTF-8 and of characters that XML forbids, and the rows of these.

    So a text is the same whether it came by way of XML or not.
    """
    if pa.types.is_list(array.type):
        flat = array.flatten()
        if _harmless(flat):
            return array, {}, {}
        values = array.to_pylist() if _is_utf8(flat) else _decoded(array)
    elif _harmless(array):
        return array, {}, {}
    else:
        values = array.to_pylist() if _is_utf8(array) else _decoded(array)
    mended: dict[int, str] = {}
    for row, value in enumerate(values):
        if value is None:
            continue
        texts = value if isinstance(value, list) else [value]
        clean = [
            re.sub(
                "[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]",
                "\ufffd",
                text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
            )
            for text in texts
        ]
        broken = any(isinstance(text, bytes) and text.decode("utf-8", "ignore").encode() != text for text in texts)
        if broken:
            mended[row] = NOT_UTF8
        elif any(
            (text.decode("utf-8", "replace") if isinstance(text, bytes) else text) != new
            for text, new in zip(texts, clean, strict=True)
        ):
            mended[row] = FORBIDDEN
        values[row] = clean if isinstance(value, list) else clean[0]
    return pa.array(values, array.type), {}, mended


def _decoded(array: pa.Array) -> list[Any]:
    """The values of a column as bytes."""
    kind = pa.list_(pa.binary()) if pa.types.is_list(array.type) else pa.binary()
    return list(array.cast(kind).to_pylist())


def _is_utf8(texts: pa.Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _harmless(texts: pa.Array) -> bool:
    """Whether texts are UTF-8 and have no character that XML forbids."""
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return True
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    octets = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    low, high = signs(octets)
    if low or not _is_utf8(texts):
        return False
    # U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    places = np.flatnonzero(octets == 0xEF) if high else octets[:0]
    return not np.any((octets[places + 1] == 0xBF) & (octets[places + 2] >= 0xBE)) if len(places) else True


@njit(cache=True, nogil=True)
def signs(octets: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """How many bytes are controls that XML forbids, and how many 0xEF."""
    low, high = 0, 0
    for octet in octets:
        low += (octet < 32) & (octet != 9) & (octet != 10) & (octet != 13)
        high += octet == 0xEF
    return low, high


def counts_of(columns: Mapping[str, Given], readable: Mask) -> Counter[str]:
    """Of columns that are not known, how many of the readable rows have them."""
    counts: Counter[str] = Counter()
    for name, given in columns.items():
        there = (
            np.array([value is not None for value in given], np.bool_)
            if isinstance(given, list)
            else np.asarray(given.is_valid())
        )
        if number := int(np.count_nonzero(there & readable)):
            counts[name] = number
    return counts
