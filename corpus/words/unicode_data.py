"""Write `word_break.json`, the tables of words, from the files of the Unicode Character Database.

    python -m socorpus.corpus.words.unicode_data /usr/share/unicode

The folder is that of Debian's package `unicode-data` (or of the same files from https://www.unicode.org/Public), under
the Unicode License. Nothing else reads these files: the tables ship with the package, so that words are the same with
any version of Python. Then all lines of the database's `WordBreakTest.txt` are cut, and those that are cut otherwise
than it says are printed.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from socorpus.corpus.words import tables

_CODE_POINTS = 0x110000
_BREAKS = {
    "CR": tables.CR,
    "LF": tables.LINE_FEED,
    "Newline": tables.NEWLINE,
    "Extend": tables.EXTEND,
    "Format": tables.FORMAT,
    "ZWJ": tables.ZWJ,
    "ALetter": tables.LETTER,
    "Hebrew_Letter": tables.HEBREW,
    "Numeric": tables.DIGIT,
    "Katakana": tables.KATAKANA,
    "ExtendNumLet": tables.CONNECTOR,
    "MidLetter": tables.MID_LETTER,
    "MidNum": tables.MID_DIGIT,
    "MidNumLet": tables.MID,
    "Single_Quote": tables.QUOTE,
    "Double_Quote": tables.DOUBLE_QUOTE,
    "Regional_Indicator": tables.REGIONAL,
    "WSegSpace": tables.WORD_SPACE,
}
"""Class of each value of Word_Break."""


def main(folder: Path) -> None:
    """Write the tables beside this module, and check them.

    Raises:
        SystemExit: some lines of the test are cut otherwise than they should be.
    """
    version = folder.joinpath("auxiliary/WordBreakProperty.txt").read_text("utf-8").partition(".txt")[0].split("-")[1]
    classes = _classes(folder)
    folding = _folding(folder)
    written = {
        "source": f"Unicode Character Database {version}, https://www.unicode.org/Public/{version}/ucd/, made by"
        " unicode_data.py; © Unicode, Inc., Unicode License, https://www.unicode.org/license.txt",
        "unicode": version,
        "classes": {str(number): _runs(points) for number, points in sorted(classes.items())},
        "folding": folding,
    }
    Path(__file__).with_name("word_break.json").write_text(json.dumps(written, indent=0) + "\n", "utf-8")
    from socorpus.corpus.words import kernel  # which reads what was written

    lines = list(_test(folder / "auxiliary/WordBreakTest.txt"))
    wrong = [text for text, ends in lines if [end for _, end, _ in kernel.boundaries(text)] != ends]
    print(f"Unicode {version}: {len(lines) - len(wrong)} of {len(lines)} lines of WordBreakTest.txt are cut right")
    if wrong:
        sys.exit(f"cut otherwise: {wrong[:10]}")


def _test(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Texts of a test file and the ends of their segments."""
    for line in path.read_text("utf-8").split("\n"):
        signs = line.partition("#")[0].split()
        text, ends = "", []
        for sign in signs[1:]:
            if sign == "\u00f7":
                ends.append(len(text))
            elif sign != "\u00d7":
                text += chr(int(sign, 16))
        if text:
            yield text, ends


def _classes(folder: Path) -> Mapping[int, list[int]]:
    breaks = dict(_values(folder / "auxiliary/WordBreakProperty.txt"))
    category = dict(_values(folder / "extracted/DerivedGeneralCategory.txt"))
    script = dict(_values(folder / "Scripts.txt"))
    lines = dict(_values(folder / "extracted/DerivedLineBreak.txt"))
    properties = list(_values(folder / "PropList.txt"))
    ideographs = {point for point, name in properties if name == "Ideographic"}
    spaces = {point for point, name in properties if name == "White_Space"}
    pictures = {point for point, name in _values(folder / "emoji/emoji-data.txt") if name == "Extended_Pictographic"}
    classes: dict[int, list[int]] = {}
    for point in range(_CODE_POINTS):
        letter = category.get(point, "Cn")[0] in "LN"
        if point in breaks:
            number = _BREAKS[breaks[point]]
        elif point in spaces or category.get(point) in ("Cc", "Cf"):  # the zero-width space among them
            number = tables.SPACE
        elif point in ideographs:
            number = tables.IDEOGRAPH
        elif letter and script.get(point) == "Hiragana":
            number = tables.HIRAGANA
        elif letter and lines.get(point) == "SA":
            number = tables.COMPLEX
        elif letter:
            number = tables.LONE
        elif category.get(point) in ("Sm", "Sc"):
            number = tables.SYMBOL
        else:
            number = tables.OTHER
        number += tables.PICTURE * (point in pictures)
        if number != tables.OTHER:
            classes.setdefault(number, []).append(point)
    return classes


def _folding(folder: Path) -> list[list[int]]:
    """Simple case folding (statuses C and S) as [first, last, step, difference]."""
    folds: dict[int, int] = {}
    for line in folder.joinpath("CaseFolding.txt").read_text("utf-8").split("\n"):
        cells = [cell.strip() for cell in line.partition("#")[0].split(";")]
        if len(cells) > 2 and cells[1] in ("C", "S"):
            folds[int(cells[0], 16)] = int(cells[2], 16)
    runs: list[list[int]] = []
    for point, folded in sorted(folds.items()):
        last = runs[-1] if runs else [0, 0, 0, 0]
        step = point - last[1]
        if folded - point == last[3] and 0 < step <= 2 and last[2] in (0, step):
            last[1], last[2] = point, step
        else:
            runs.append([point, point, 0, folded - point])
    return [[first, last, step or 1, difference] for first, last, step, difference in runs]


def _values(path: Path) -> Iterator[tuple[int, str]]:
    for line in path.read_text("utf-8").split("\n"):
        cells = [cell.strip() for cell in line.partition("#")[0].split(";")]
        if len(cells) > 1:
            first, _, last = cells[0].partition("..")
            for point in range(int(first, 16), int(last or first, 16) + 1):
                yield point, cells[1]


def _runs(points: list[int]) -> str:
    runs = []
    for _, places in groupby(enumerate(points), lambda place: place[1] - place[0]):
        run = [point for _, point in places]
        runs.append(f"{run[0]:X}" if len(run) == 1 else f"{run[0]:X}-{run[-1]:X}")
    return " ".join(runs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
