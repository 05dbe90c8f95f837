"""Plug-ins: a file that loads, or an input error that names it; and what was active stays so after a failure.

Inputs run as code: they are made of the pieces below, which touch nothing outside the process.
"""

import tempfile
from pathlib import Path

from benchmarks.fuzz.engine import Target, same
from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError
from socorpus.corpus.signals.base import SIGNALS

_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-plugins-"))
# Mutated bytes of these could do anything; an input that has one is not run.
_NOT_RUN = (
    b"os",
    b"sys",
    b"open",
    b"exec",
    b"eval",
    b"__",
    b"while",
    b"exit",
    b"input",
    b"**",
    b"*",
    b"<<",
    b"path",
    b"import s",
)


def check(data: bytes) -> None:
    """An input that begins with `?` is a plug-in's name, any other its source."""
    before, known = plugins.active(), set(SIGNALS)
    try:
        if data.startswith(b"?"):
            plugins.find([data[1:].decode("utf-8", "replace")], _FOLDER)
            return
        path = _FOLDER / "mine.py"
        source = data.replace(_IMPORTS, b"")
        if any(piece in source for piece in _NOT_RUN):
            return
        path.write_bytes((_IMPORTS if _IMPORTS in data else b"") + source)
        loaded = plugins.load(["mine.py"], _FOLDER)
        same([plugin.name for plugin in loaded], ["mine.py"], "what is loaded")
        for name in SIGNALS.by_plugin(loaded[0]):
            assert SIGNALS.origin(name) == loaded[0]
    except InputError as error:
        assert data.startswith(b"?") or "mine.py" in str(error), f"the file is not named: {error}"
        same(plugins.active(), before, "active plug-ins after a failure")
        same(set(SIGNALS), known, "signals after a failure")
    finally:
        plugins.activate(before)


_IMPORTS = b"import pyarrow as pa\nfrom socorpus.corpus.signals.base import signal\n"
TARGET = Target(
    "plugins",
    check,
    seeds=[
        _IMPORTS
        + b'\n@signal({"n": pa.int32()}, reads=("text",), version=1)\ndef mine(documents):\n    return {"n": []}\n',
        _IMPORTS + b'\n@signal({"a": pa.float32(), "b": pa.bool_()}, reads=("text", "own_end"), meaning={"a": "x"})\n'
        b"def other(documents):\n    return {}\n",
        b"?rules.py",
        b"?socorpus.corpus",
        b"x = 1\n",
    ],
    tokens=[
        *(
            _IMPORTS,
            b"@signal(",
            b"{",
            b"}",
            b"(",
            b")",
            b'"n"',
            b": ",
            b"pa.int32()",
            b"pa.string()",
            b"pa.list_(",
            b",",
        ),
        *(
            b'reads=("text",)',
            b'reads=("nothing",)',
            b"version=",
            b"meaning=",
            b"config=",
            b"\n",
            b"    ",
            b"def f(documents):",
        ),
        *(
            b"return {}",
            b"raise ValueError('x')",
            b"raise KeyError",
            b"1/0",
            b"class A: pass",
            b"lambda: 0",
            b"None",
            b"\t",
        ),
        *(
            b"'",
            b'"""',
            b"\\",
            b"\0",
            b"\xff",
            b"\xef\xbb\xbf",
            b"\xc3\xa9",
            b"# -*- coding: utf-16 -*-\n",
            b"(" * 300,
            b"-" * 3000,
        ),
        *(
            b"?",
            b"?a.b",
            b"?..",
            b"?\0.py",
            b"?/",
            b"?" + b"a" * 300 + b".py",
            b"?.x",
            b"?json.tool",
            b"?a b",
            b"?caf\xc3\xa9.py",
        ),
    ],
)
