"""Configurations of a corpus: an input error that names the file, or one that its own TOML gives back."""

import tempfile
from pathlib import Path

from benchmarks.fuzz.engine import Target, same
from socorpus.corpus import config, toml_config
from socorpus.corpus.errors import InputError

_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-config-"))


def check(data: bytes) -> None:
    """An input is a file."""
    path = _FOLDER / "socorpus.toml"
    path.write_bytes(data)
    try:
        loaded = config.load(path)
    except InputError as error:
        assert "socorpus.toml" in str(error) or "plug-in" in str(error), f"the file is not named: {error}"
        return
    path.write_text(toml_config.to_toml(loaded), "utf-8")
    same(config.load(path), loaded, "written and read again")


_DEFAULT = toml_config.to_toml(config.Config()).encode()
TARGET = Target(
    "config",
    check,
    seeds=[
        _DEFAULT,
        b'[selection]\nkinds = ["answer"]\n\n[[selection.rules]]\nreason = "x"\ndrop_if = "score < 0"\n',
        b'[sites."a.b"]\nurl = "https://qa.example.com"\n[sites."\\u007f \\" x"]\nurl = "https://x.y"\n',
        b"[near]\nthreshold = 0.8\npermutations = 64\n[privacy]\nkinds = ['email']\n[read]\npart_mb = 8\n",
    ],
    tokens=[
        *(line + b"\n" for line in _DEFAULT.splitlines() if line),
        *(
            name.encode()
            for name in ("read.", "near", "threshold", "selection", "rules", "tokenizer", "vocabulary", "plugins")
        ),
        *(
            b" = ",
            b"[",
            b"]",
            b"[[",
            b"]]",
            b"{",
            b"}",
            b",",
            b".",
            b"\n",
            b"#",
            b'"',
            b"'",
            b'"""',
            b"'''",
            b"\\",
            b"\\u00e9",
        ),
        *(
            b"1",
            b"-1",
            b"0",
            b"1" * 5000,
            b"1e400",
            b"nan",
            b"inf",
            b"-inf",
            b"0x1F",
            b"1_0",
            b"0.5",
            b"9223372036854775808",
        ),
        *(
            b"true",
            b"false",
            b"2020-01-01",
            b"2020-13-01",
            b"07:32:00",
            b"1979-05-27T07:32:00Z",
            b"[" * 2000,
            b"{a=" * 300,
        ),
        *(b"\xef\xbb\xbf", b"\xff", b"\0", b"\x7f", b"\xc3\xa9", b"\r\n", b"\r"),
    ],
)
