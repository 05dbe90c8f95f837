"""Containers to streams: real archives against py7zr and CRC32, made ones in every coder, truncation and damage."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import fsspec
import py7zr
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.dump import archives, sources
from socorpus.corpus.dump.compression import codecs
from socorpus.corpus.errors import BuildError, InputError

BZIP2 = [{"id": py7zr.FILTER_BZIP2}]
CODERS: dict[str, list[dict[str, int]]] = {
    "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 6}],
    "lzma": [{"id": py7zr.FILTER_LZMA}],
    "bzip2": BZIP2,
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "ppmd": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 16}],
    "copy": [{"id": py7zr.FILTER_COPY}],
    "zstd": [{"id": py7zr.FILTER_ZSTD, "level": 3}],
    "brotli": [{"id": py7zr.FILTER_BROTLI, "level": 5}],
    "bcj+lzma2": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2, "preset": 6}],
    "delta+lzma2": [{"id": py7zr.FILTER_DELTA}, {"id": py7zr.FILTER_LZMA2, "preset": 6}],
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": lambda data: bz2.compress(data, 1),  # blocks of 100 kB, so that little data has many
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def rows(count: int, seed: int = 0) -> bytes:
    """XML of about 75 bytes a row, which neither repeats nor is noise."""
    lines = (
        f'  <row Id="{i}" Body="{zlib.crc32(b"%d %d" % (seed, i)):08x} words &lt;p&gt;" />\r\n' for i in range(count)
    )
    return b"<posts>\r\n" + "".join(lines).encode() + b"</posts>"


def pack(path: Path, files: dict[str, bytes], filters: list[dict[str, int]] | None = None) -> Path:
    """A solid archive, each file's name as given, a way upwards too."""
    with py7zr.SevenZipFile(path, "w", filters=filters) as made:
        for name, data in files.items():
            made.writestr(data, name.replace("..", "@@"))
        for one in made.header.files_info.files:
            one["filename"] = one["filename"].replace("@@", "..")
    return path


def read(address: Path | str, wanted: list[int] | None = None, threads: int = 2) -> dict[str, bytes]:
    indices = wanted if wanted is not None else [member.index for member in archives.members(str(address))]
    return {member.name: data.read() for member, data in archives.stream(str(address), indices, threads)}


@pytest.mark.parametrize(("site", "threads"), [("ai", 1), ("beer", 1), ("beer", 3)])
def test_real_archives_are_what_py7zr_reads(real_data: Path, site: str, threads: int) -> None:
    path = real_data / "archives" / f"{site}.stackexchange.com.7z"
    factory = py7zr.io.BytesIOFactory(1 << 30)
    with py7zr.SevenZipFile(path) as reference:
        crcs = {one.filename: one.crc32 for one in reference.files}
        reference.extract(factory=factory)
    members = {member.name: member for member in archives.members(str(path))}
    assert set(members) == set(crcs)
    found = read(path, threads=threads)
    assert list(found) == list(members)
    for name, data in found.items():
        assert zlib.crc32(data) == crcs[name]
        assert (members[name].size, members[name].exact, members[name].form) == (len(data), True, "7z")
        assert members[name].stamp == f"{crcs[name]:08x}-{len(data)}"
        expected = factory.products[name]
        expected.seek(0)
        assert data == expected.read()


@pytest.mark.parametrize("site", ["ai", "beer"])
def test_members_may_be_left_early_or_out(real_data: Path, site: str) -> None:
    path = str(real_data / "archives" / f"{site}.stackexchange.com.7z")
    whole = read(path)
    for index, (member, data) in enumerate(archives.stream(path, [1, 3, 4, 7], 2)):
        expected = whole[member.name]
        if index == 0:
            assert data.read(1000) == expected[:1000]
            first = data
        elif index == 1:
            data.close()
        elif index == 2:
            assert b"".join(data) == expected
        else:
            assert data.read() == expected
    assert index == 3
    with pytest.raises(ValueError):
        first.read(1)


def test_the_process_of_a_decoder_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be that of an archive which somebody else made."""
    path = pack(tmp_path / "a.7z", {"Posts.xml": rows(100)}, CODERS["ppmd"])
    for name in ("socorpus", "py7zr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    assert read(path)["Posts.xml"] == rows(100)


LEFT = """
import sys, time, weakref
from pathlib import Path
from socorpus.corpus.dump import archives

def held():
    counts = {kind: len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task")}
    return {**counts, "finalizers": len(weakref.finalize._registry)}

def leave(index):
    streams = archives.stream(sys.argv[1], [index], 4)
    next(streams)[1].read(10)
    streams.close()

leave(0)
before = held()
for index in (0, 2, 0, 2):
    leave(index)
# The system may still show a thread that was joined, in `before` too: so what is there may be less, never more.
until = time.monotonic() + 30
while more := {kind: count for kind, count in held().items() if count > before[kind]}:
    assert time.monotonic() < until, (before, more)
    time.sleep(0.01)
"""


def test_it_leaves_nothing_open(real_data: Path) -> None:
    """In a process of its own: here, what other tests left may go at any moment and change the counts."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc on this system to count threads and files in")
    path = real_data / "archives" / "beer.stackexchange.com.7z"
    done = subprocess.run([sys.executable, "-c", LEFT, path], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_may_end_half_way(real_data: Path) -> None:
    """Threads that decode ahead must neither hold the interpreter up at exit nor abort it."""
    path = real_data / "archives" / "beer.stackexchange.com.7z"
    program = "from socorpus.corpus.dump import archives\n"
    program += f"s = archives.stream({str(path)!r}, [0], 2)\nnext(s)[1].read(9)\n"
    for end in ("", "raise SystemExit(3)"):
        done = subprocess.run([sys.executable, "-c", program + end], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (3 if end else 0, b"")


@pytest.mark.parametrize("site", ["ai", "beer"])
def test_truncated_real_archives_are_refused(real_data: Path, site: str, tmp_path: Path) -> None:
    whole = (real_data / "archives" / f"{site}.stackexchange.com.7z").read_bytes()
    path = tmp_path / "cut.7z"
    for size in (0, 3, 31, 32, 100, len(whole) // 2, len(whole) - 40, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=rf"cut\.7z: .*{size} bytes"):
            archives.members(str(path))


@pytest.mark.parametrize("site", ["ai", "beer"])
def test_damaged_bytes_never_pass(real_data: Path, site: str, tmp_path: Path) -> None:
    whole = (real_data / "archives" / f"{site}.stackexchange.com.7z").read_bytes()
    clean = read(real_data / "archives" / f"{site}.stackexchange.com.7z")
    path = tmp_path / "damaged.7z"
    for position in (32, 36, 5000, len(whole) // 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        good: dict[str, bytes] = {}
        with pytest.raises(InputError, match=r"damaged\.7z: member '\w+\.xml': \d+ bytes of \d+ were read"):
            for member, data in archives.stream(str(path), range(8), 2):
                good[member.name] = data.read()
        assert all(clean[name] == data for name, data in good.items())


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_damaged_header_is_an_input_error(data: st.DataObject) -> None:
    made = io.BytesIO()
    with py7zr.SevenZipFile(made, "w", filters=BZIP2) as packed:
        packed.set_encoded_header_mode(False)
        packed.writestr(b"<posts></posts>", "Posts.xml")
        packed.writestr(b"<users></users>", "Users.xml")
    raw = bytearray(made.getvalue())
    start = 32 + int.from_bytes(raw[12:20], "little")
    position = data.draw(st.integers(start, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    # As a damaged header's sums would refuse it at once, they are made to agree.
    raw[28:32] = zlib.crc32(raw[start:]).to_bytes(4, "little")
    raw[8:12] = zlib.crc32(raw[12:32]).to_bytes(4, "little")
    with fsspec.open("memory://header/x.7z", "wb") as file:
        file.write(bytes(raw))
    try:
        found = read("memory://header/x.7z")
    except InputError:
        return
    assert all(content in (b"<posts></posts>", b"<users></users>", b"") for content in found.values())


@pytest.mark.parametrize("coder", CODERS)
def test_every_coder(coder: str, tmp_path: Path) -> None:
    files = {"Posts.xml": rows(8000), "empty.xml": b"", "sub/Users.xml": rows(500, 1), "Tags.xml": b"<tags />"}
    path = pack(tmp_path / "x.7z", files, CODERS[coder])
    assert read(path) == files
    assert read(path, [1, 2]) == {name: files[name] for name in ("empty.xml", "sub/Users.xml")}
    assert [member.size for member in archives.members(str(path))] == [len(data) for data in files.values()]
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes(16) + whole[76:])
    with pytest.raises(InputError, match=r"x\.7z: member"):
        read(path)


@pytest.mark.parametrize("coders", [["bzip2"] * 3, ["lzma2", "bzip2", "deflate"]])
def test_several_folders(coders: list[str], tmp_path: Path) -> None:
    """py7zr gives each run of `append` a folder of its own."""
    path, files = tmp_path / "x.7z", {}
    for number, coder in enumerate(coders):
        with py7zr.SevenZipFile(path, "a" if number else "w", filters=CODERS[coder]) as made:
            for name in (f"a{number}.xml", f"b{number}.xml"):
                files[name] = rows(3000, number)
                made.writestr(files[name], name)
    assert read(path) == files
    assert list(read(path, [1, 5])) == ["a0.xml", "b2.xml"] or list(read(path, [1, 5])) == ["b0.xml", "b2.xml"]


def test_folders_and_files_on_disk(tmp_path: Path) -> None:
    inside = tmp_path / "beer.stackexchange.com"
    (inside / "meta").mkdir(parents=True)
    (inside / "Posts.xml").write_bytes(rows(100))
    (inside / "meta" / "Posts.xml").write_bytes(rows(50))
    (inside / "Tags.xml").touch()
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w", filters=BZIP2) as made:
        made.writeall(inside, "beer")
    found = read(tmp_path / "x.7z")
    assert found == {"beer/Posts.xml": rows(100), "beer/meta/Posts.xml": rows(50), "beer/Tags.xml": b""}


def test_only_empty_files(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.7z", {"Posts.xml": b"", "Tags.xml": b""})
    assert read(path) == {"Posts.xml": b"", "Tags.xml": b""}


def test_names_are_shown_and_never_paths(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.7z", {"../../etc/Posts.xml": rows(5), "..\\..\\Users.xml": rows(3)})
    (tmp_path / "in").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert [member.name for member in archives.members(str(path))] == ["../../etc/Posts.xml", "../../Users.xml"]
    assert read(path) == {"../../etc/Posts.xml": rows(5), "../../Users.xml": rows(3)}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("hidden", [False, True])
def test_encrypted_archives_say_so(hidden: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.7z"
    with py7zr.SevenZipFile(path, "w", password="secret", header_encryption=hidden) as made:
        made.writestr(rows(100), "Posts.xml")
    with pytest.raises(InputError, match=r"x\.7z: encrypted"):
        archives.members(str(path))


def headed(
    coders: list[tuple[str, int]], packed: list[bytes], content: bytes, bonds: str = "", places: str = ""
) -> bytes:
    """A .7z of one Posts.xml, whose header names any coders: (identifier, streams in), from the packed bytes on."""

    def many(*numbers: int) -> bytes:
        return b"".join(b"\xff" + number.to_bytes(8, "little") for number in numbers)

    described = b""
    for identifier, streams in coders:
        method = bytes.fromhex(identifier)
        described += bytes([len(method) | (0 if streams == 1 else 0x10)]) + method
        described += b"" if streams == 1 else many(streams, 1)
    chain = bytes.fromhex(bonds) or b"".join(bytes([place + 1, place]) for place in range(len(coders) - 1))
    header = b"\1\4\6" + many(0, len(packed)) + b"\x09" + many(*map(len, packed)) + b"\0"
    header += b"\7\x0b\1\0" + bytes([len(coders)]) + described + chain + bytes.fromhex(places)
    header += (
        b"\x0c"
        + many(*[len(content)] * len(coders))
        + b"\x0a\1"
        + zlib.crc32(content).to_bytes(4, "little")
        + b"\0\x08\0\0"
    )
    name = "Posts.xml\0".encode("utf-16-le")
    header += b"\5\1\x11" + many(len(name) + 1) + b"\0" + name + b"\0\0"
    return sealed(b"".join(packed), header)


def sealed(whole: bytes, header: bytes) -> bytes:
    """Packed bytes and a header, with the sums in front that make them an archive."""
    start = len(whole).to_bytes(8, "little") + len(header).to_bytes(8, "little")
    start += zlib.crc32(header).to_bytes(4, "little")
    return b"7z\xbc\xaf\x27\x1c\0\4" + zlib.crc32(start).to_bytes(4, "little") + start + whole + header


def brotli_frame(data: bytes) -> bytes:
    """As 7-Zip ZS writes it."""
    packed = brotli.compress(data)
    return b"\x50\x2a\x4d\x18\x08\0\0\0" + len(packed).to_bytes(4, "little") + b"BR\1\0" + packed


CONTENT = rows(3000)
HALF = len(CONTENT) // 2
FRAMES = {
    "zstd": ("04f71101", b"".join(zstandard.compress(half) for half in (CONTENT[:HALF], CONTENT[HALF:]))),
    # With a head that a decoder skips, as 7-Zip ZS puts before each frame.
    "zstd, heads": (
        "04f71101",
        b"".join(
            b"\x50\x2a\x4d\x18\x04\0\0\0" + len(frame).to_bytes(4, "little") + frame
            for frame in (zstandard.compress(CONTENT[:HALF]), zstandard.compress(CONTENT[HALF:]))
        ),
    ),
    "brotli": ("04f71102", brotli.compress(CONTENT, quality=4)),
    "brotli, frames": ("04f71102", brotli_frame(CONTENT[:HALF]) + brotli_frame(CONTENT[HALF:])),
}


@pytest.mark.parametrize(
    ("form", "filtered"), [*((form, False) for form in FRAMES), ("zstd, heads", True), ("brotli, frames", True)]
)
def test_several_frames(form: str, filtered: bool, tmp_path: Path) -> None:
    method, packed = FRAMES[form]
    path = tmp_path / "x.7z"
    # BCJ leaves a text of ASCII as it is: it has no byte E8 or E9.
    path.write_bytes(headed([(method, 1), ("03030103", 1)][: 1 + filtered], [packed], CONTENT))
    assert read(path) == {"Posts.xml": CONTENT}
    for damaged in (packed[:-40], packed[: len(packed) // 2] + bytes(9) + packed[len(packed) // 2 + 9 :]):
        path.write_bytes(headed([(method, 1), ("03030103", 1)][: 1 + filtered], [damaged], CONTENT))
        with pytest.raises(InputError, match="damaged; fetch the file again"):
            read(path)


def test_a_zstandard_frame_may_refer_back_two_gigabytes(tmp_path: Path) -> None:
    data = b"<posts></posts>"
    # RFC 8878: no checksum, a window of 2 ** 31; one block, the last one, raw.
    frame = b"\x28\xb5\x2f\xfd\x00\xa8" + (len(data) << 3 | 1).to_bytes(3, "little") + data
    (tmp_path / "Posts.xml.zst").write_bytes(frame)
    assert read(tmp_path / "Posts.xml.zst") == {"Posts.xml.zst": data}


@pytest.mark.parametrize(
    ("coders", "name"),
    [
        (["04f71104"], "LZ4"),
        (["04f71105"], "LZ5"),
        (["04f71106"], "Lizard"),
        (["21", "0a"], "ARM64"),
        (["21", "0b"], "RISCV"),
        (["030101", "020304"], "Swap4"),
        (["040305"], "Rar5"),
        (["3f0123456789abcd"], "the unknown method 3f0123456789abcd"),
        (["030401", "03"], r"PPMd \+ Delta in a chain"),
        (["03030103"], "BCJ in a chain"),
        (["06f10701", "21"], None),
        (["06f00181"], None),
    ],
)
def test_methods_that_can_not_be_read_are_named(coders: list[str], name: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.7z"
    path.write_bytes(headed([(coder, 1) for coder in coders], [b"packed somehow"], b"<posts></posts>"))
    said = rf"x\.7z: packed with {name}, which is not supported; .*7z x x\.7z" if name else r"x\.7z: encrypted"
    for use in (lambda: archives.members(str(path)), lambda: read(path, [0])):
        with pytest.raises(InputError, match=said) as raised:
            use()
        assert "damaged" not in str(raised.value) and "fetch" not in str(raised.value)


def test_a_header_in_such_a_method_is_no_damage_either(tmp_path: Path) -> None:
    described = b"\6\0\1\x09\3\0\7\x0b\1\0\1\4\x04\xf7\x11\x04\x0c\x20\0\0"  # 3 bytes of LZ4, 32 decoded
    (tmp_path / "x.7z").write_bytes(sealed(b"abc", b"\x17" + described))
    with pytest.raises(InputError, match=r"x\.7z: packed with LZ4, which is not supported"):
        archives.members(str(tmp_path / "x.7z"))


def test_bcj2_is_named(tmp_path: Path) -> None:
    """Of four streams in, the first from LZMA2."""
    made = headed([("21", 1), ("0303011b", 4)], [b"abc"] * 4, b"<posts></posts>", bonds="0100", places="00020304")
    (tmp_path / "x.7z").write_bytes(made)
    with pytest.raises(InputError, match=r"packed with BCJ2, which is not supported"):
        archives.members(str(tmp_path / "x.7z"))


def test_coders_are_followed_from_the_packed_bytes_on(tmp_path: Path) -> None:
    """Their order in the header is free: 7-Zip of old lists the last one first."""
    packed = zstandard.compress(CONTENT)
    made = headed([("03030103", 1), ("04f71101", 1)], [packed], CONTENT, bonds="0001")
    (tmp_path / "x.7z").write_bytes(made)
    assert read(tmp_path / "x.7z") == {"Posts.xml": CONTENT}


@pytest.mark.parametrize("name", ["Tool.exe", "Comments.xml"])
def test_what_can_be_read_beside_what_can_not_is_read(name: str, tmp_path: Path) -> None:
    """7-Zip packs programs with filters of their own, and a dump may lie beside one; a table is not left out."""
    path = tmp_path / "x.7z"
    with py7zr.SevenZipFile(path, "w", filters=BZIP2) as made:
        made.writestr(CONTENT, "Posts.xml")
    with py7zr.SevenZipFile(path, "a", filters=CODERS["delta+lzma2"]) as made:
        made.set_encoded_header_mode(False)
        made.writestr(rows(9), name)
    raw = bytearray(path.read_bytes())
    start = 32 + int.from_bytes(raw[12:20], "little")
    delta = raw.index(b"\x21\x03\x01", start)  # a method of one byte, Delta, with one byte of properties
    raw[delta + 1] = 0x0B
    raw[28:32] = zlib.crc32(raw[start:]).to_bytes(4, "little")
    raw[8:12] = zlib.crc32(raw[12:32]).to_bytes(4, "little")
    path.write_bytes(raw)
    assert read(path, [0]) == {"Posts.xml": CONTENT}
    with pytest.raises(InputError, match="RISCV"):
        read(path, [0, 1])
    if name == "Tool.exe":
        assert [table.table for table in sources.discover([str(path)])[0].tables] == ["posts"]
    else:
        with pytest.raises(InputError, match=r"x\.7z: packed with RISCV, which is not supported"):
            sources.discover([str(path)])


def test_volumes(tmp_path: Path) -> None:
    files = {"Posts.xml": rows(20_000), "Users.xml": rows(300)}
    whole = pack(tmp_path / "x.7z", files, BZIP2).read_bytes()
    step = len(whole) // 4 + 1
    for number in range(4):
        (tmp_path / f"y.7z.{number + 1:03}").write_bytes(whole[number * step :][:step])
    assert read(tmp_path / "y.7z.001") == files
    with pytest.raises(InputError, match="first"):
        archives.members(str(tmp_path / "y.7z.002"))
    (tmp_path / "y.7z.003").unlink()
    with pytest.raises(InputError, match="volumes"):
        archives.members(str(tmp_path / "y.7z.001"))


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "x.7z", {"Posts.xml": bytes(1 << 24)}, BZIP2)
    assert read(path) == {"Posts.xml": bytes(1 << 24)}
    monkeypatch.setattr(archives, "BOMB_BYTES", 1 << 22)
    with pytest.raises(InputError, match=r"x\.7z: declares 16777216 bytes"):
        archives.members(str(path))


@pytest.mark.parametrize("suffix", PACK)
def test_a_stream_that_grows_absurdly_stops(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "BOMB_BYTES", 1 << 22)
    monkeypatch.setattr(archives, "BOMB_RATIO", 100)
    path = tmp_path / f"Posts.xml{suffix}"
    path.write_bytes(PACK[suffix](bytes(1 << 25)))
    with pytest.raises(InputError, match="not a dump"):
        read(path)


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_tables(real_data: Path, suffix: str, tmp_path: Path) -> None:
    plain = (real_data / "dumps" / "beer.stackexchange.com-2014-05" / "Posts.xml").read_bytes()
    path = tmp_path / f"Posts.xml{suffix}"
    path.write_bytes(PACK[suffix](plain))
    (member,) = archives.members(str(path))
    assert (member.name, member.form, member.exact) == (path.name, suffix[1:], False)
    assert member.size == len(plain)
    assert read(path) == {path.name: plain}
    path.write_bytes(PACK[suffix](plain * 6))
    (member,) = archives.members(str(path))
    assert 0.5 < member.size / len(plain * 6) < 2
    # Concatenated streams are one file, as gzip, pbzip2 and pzstd make them.
    parts = [plain[:1], b"", plain[1:5000], plain[5000:], b""]
    path.write_bytes(b"".join(map(PACK[suffix], parts)))
    for threads in (1, 2):
        assert read(path, threads=threads) == {path.name: plain}


@pytest.mark.parametrize("suffix", PACK)
def test_damaged_compressed_tables(suffix: str, tmp_path: Path) -> None:
    plain = rows(8000)
    parts = [PACK[suffix](plain), PACK[suffix](plain[:99]), PACK[suffix](plain)]
    whole, path = b"".join(parts), tmp_path / f"Posts.xml{suffix}"
    first = len(parts[0])
    for size in (0, 1, 9, first // 2, first - 1, first + 3, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=rf"Posts\.xml{suffix}: .*\d+ bytes"):
            read(path)
    # Position 20 lies in the second half of bzip2's first header.
    for position in (0, 20, first // 2, first - 3, first + 1, first + 20, len(whole) - 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x21]) + whole[position + 1 :])
        with pytest.raises(InputError, match=rf"Posts\.xml{suffix}: .*\d+ bytes"):
            read(path)


def test_a_lost_bzip2_block_is_noticed(tmp_path: Path) -> None:
    """Blocks are found by their mark: one whose mark is damaged must not be passed over."""
    path, plain = tmp_path / "Posts.xml.bz2", rows(8000)
    whole = bz2.compress(plain, 1)
    at = [i for i in range(len(whole)) if whole[i : i + 6] == bytes.fromhex("314159265359")]
    assert at[0] == 4
    path.write_bytes(whole[:6] + b"\0" + whole[7:])
    with pytest.raises(InputError):
        read(path)
    # A whole stream lost between two others
    path.write_bytes(whole + b"BZh9" + b"\0" * 6 + bz2.compress(b"one")[10:] + whole)
    with pytest.raises(InputError):
        read(path)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=400), min_size=1, max_size=4), st.sampled_from(sorted(PACK)), st.integers(1, 3))
def test_round_trip(parts: list[bytes], suffix: str, threads: int) -> None:
    with fsspec.open(f"memory://trip/Posts.xml{suffix}", "wb") as file:
        file.write(b"".join(map(PACK[suffix], parts)))
    assert read(f"memory://trip/Posts.xml{suffix}", threads=threads) == {f"Posts.xml{suffix}": b"".join(parts)}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=6),
    st.sampled_from(["bzip2", "lzma2"]),
    st.data(),
)
def test_any_choice_of_members(contents: list[bytes], coder: str, data: st.DataObject) -> None:
    made = io.BytesIO()
    with py7zr.SevenZipFile(made, "w", filters=CODERS[coder]) as packed:
        for number, content in enumerate(contents):
            packed.writestr(content, f"{number}.xml")
    with fsspec.open("memory://any/x.7z", "wb") as file:
        file.write(made.getvalue())
    order = [int(member.name[0]) for member in archives.members("memory://any/x.7z")]
    wanted = data.draw(st.sets(st.integers(0, len(contents) - 1)))
    sizes = data.draw(st.lists(st.integers(0, 400), min_size=6, max_size=6))
    found = []
    for member, stream in archives.stream("memory://any/x.7z", wanted, 2):
        number = int(member.name[0])
        assert stream.read(sizes[len(found)]) == contents[number][: sizes[len(found)]]
        found.append(member.index)
    assert found == sorted(wanted)
    assert sorted(order) == list(range(len(contents)))


def test_real_archive_at_an_address(real_data: Path) -> None:
    path = real_data / "archives" / "beer.stackexchange.com.7z"
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/site/beer.7z", path.read_bytes())
    assert read("memory://site/beer.7z") == read(path.resolve().as_uri()) != {}
    filesystem.pipe_file("/site/Posts.xml", b"<posts></posts>")
    (member,) = archives.members("memory://site/Posts.xml")
    with archives.open_plain(member) as data:
        data.seek(3)
        assert data.read() == b"sts></posts>"
    assert read("memory://site/Posts.xml") == {"Posts.xml": b"<posts></posts>"}
    filesystem.pipe_file("/site/Posts.xml", b"<posts> </posts>")
    assert archives.members("memory://site/Posts.xml")[0].stamp != member.stamp


class Failing(io.BytesIO):
    """Storage that fails at its n-th read."""

    left = 0

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left == 0:
            raise OSError("connection lost")
        return super().read(size)


@pytest.mark.parametrize("at", [1, 2, 3, 5, 9])
def test_storage_that_fails_is_no_crash(real_data: Path, at: int) -> None:
    """The storage's own error is told, whichever read it is."""
    path = real_data / "archives" / "beer.stackexchange.com.7z"
    with path.open("rb") as file:
        _, (folder,) = archives._header(str(path), file)
    failing = Failing(path.read_bytes())
    failing.left = at
    window = codecs.Window(failing, folder.offset, folder.packed)
    with pytest.raises(OSError, match="connection lost"):
        for _ in codecs.folder(folder.packing, window, 3):
            pass


def test_file_addresses_are_local(tmp_path: Path) -> None:
    for name in ("a b", "100%25", "c#d"):
        path = tmp_path / name / "Posts.xml"
        path.parent.mkdir()
        path.write_bytes(rows(3))
        for address in (path.as_uri(), f"file://{path}"):
            assert read(address) == {"Posts.xml": rows(3)}
            assert archives.local_path(address) == path


def test_plain_files(tmp_path: Path) -> None:
    path = tmp_path / "Posts.xml"
    path.write_bytes(rows(10))
    (member,) = archives.members(str(path))
    assert (member.name, member.size, member.exact, member.index) == ("Posts.xml", len(rows(10)), True, 0)
    with archives.open_plain(member) as data:
        data.seek(-8, io.SEEK_END)
        assert data.read() == b"</posts>"
    assert read(path) == {"Posts.xml": rows(10)}
    os.utime(path, ns=(1, member_time := path.stat().st_mtime_ns + 1))
    assert archives.members(str(path))[0].stamp.endswith(str(member_time))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.7z").write_bytes(b"PK\3\4 a zip file, renamed")
    (tmp_path / "Posts.xml.gz").write_bytes(b"<posts></posts>")
    shutil.copy(tmp_path / "x.7z", tmp_path / "y.xz.7z")
    (tmp_path / "y.xz.7z").write_bytes(lzma.compress(b"<posts></posts>"))
    for name, match in (
        ("x.7z", "not a 7z archive"),
        ("y.xz.7z", "not a 7z archive"),
        ("Posts.xml.gz", "not gz data"),
        ("absent.7z", "no such file"),
        ("absent.xml", "no such file"),
        (".", "folder"),
    ):
        with pytest.raises(InputError, match=match):
            archives.members(str(tmp_path / name))
    for address in ("memory://nowhere/x.7z", "nosuchprotocol://x/y.7z"):
        with pytest.raises(InputError, match=address):
            archives.members(address)
    path = pack(tmp_path / "z.7z", {"Posts.xml": rows(3)})
    with pytest.raises(InputError, match="no member 7"):
        read(path, [0, 7])
    with pytest.raises(InputError, match="from its start"):
        archives.open_plain(archives.members(str(path))[0])


class StoreError(Exception):
    """As the clients of object stores raise them: no OSError."""


class Gone(fsspec.spec.AbstractFileSystem):  # type: ignore[misc]
    """A store whose endpoint is gone, or goes after some bytes."""

    protocol = "gone"
    holds = 0

    def info(self, path: str, **_: object) -> dict[str, object]:
        if not self.holds:
            raise StoreError("Could not connect to the endpoint URL")
        return {"name": path, "size": 1 << 24, "type": "file", "mtime": 0}

    def exists(self, path: str, **_: object) -> bool:
        return bool(self.info(path))

    def _open(self, path: str, mode: str = "rb", **_: object) -> "Breaking":
        self.info(path)
        return Breaking(self.holds)


class Breaking(io.RawIOBase):
    def __init__(self, holds: int) -> None:
        self._left, self._at = holds, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, 1 << 24)[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        if self._left <= 0:
            raise StoreError("Connection was closed before we received a valid response")
        self._left -= size
        return b"<posts>" + b" " * (size - 7)


def test_a_store_that_is_gone_or_goes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("gone", Gone, clobber=True)
    for ask in (archives.members, archives.state, lambda address: sources.discover([address])):
        with pytest.raises(InputError, match=r"gone://bucket/Posts\.xml: can't be .*Could not connect"):
            ask("gone://bucket/Posts.xml")
    monkeypatch.setattr(Gone, "holds", 1 << 20)
    (stream,) = (stream for _, stream in [next(archives.stream("gone://bucket/Posts.xml", [0], 1))])
    with pytest.raises(BuildError, match=r"gone://bucket/Posts\.xml: the connection failed while it was read: Conn"):
        while stream.read(1 << 18):
            pass
