"""The methods of a .7z: their names, and the chains of them that can be decoded here.

Identifiers: 7-Zip's DOC/Methods.txt (24.02), and 7-Zip ZS's DOC/Methods-Extern.md for those that begin with 04 F7 11.
They are numbers: leading zeros of the bytes in a header mean nothing.
"""

import re
from collections.abc import Sequence

COPY, DELTA, LZMA2, LZMA, PPMD = 0x00, 0x03, 0x21, 0x030101, 0x030401
BZIP2, DEFLATE, DEFLATE64, ZSTD, BROTLI = 0x040202, 0x040108, 0x040109, 0x04F71101, 0x04F71102
AES = 0x06F10701
_BCJ, _PPC, _IA64, _ARM, _ARMT, _SPARC = 0x03030103, 0x03030205, 0x03030401, 0x03030501, 0x03030701, 0x03030805

NAMES = {
    COPY: "Copy",
    DELTA: "Delta",
    # Those from 04 to 09 are known in .xz files; 7-Zip's own .7z have the longer ones.
    0x04: "BCJ",
    0x05: "PPC",
    0x06: "IA64",
    0x07: "ARM",
    0x08: "ARMT",
    0x09: "SPARC",
    0x0A: "ARM64",
    0x0B: "RISCV",
    LZMA2: "LZMA2",
    0x020302: "Swap2",
    0x020304: "Swap4",
    LZMA: "LZMA",
    _BCJ: "BCJ",
    0x0303011B: "BCJ2",
    _PPC: "PPC",
    0x03030301: "Alpha",
    _IA64: "IA64",
    _ARM: "ARM",
    0x03030605: "M68",
    _ARMT: "ARMT",
    _SPARC: "SPARC",
    PPMD: "PPMd",
    0x037F01: "an experimental method of 7-Zip",
    0x040101: "Shrink",
    0x040106: "Implode",
    DEFLATE: "Deflate",
    DEFLATE64: "Deflate64",
    0x04010A: "Imploding",
    0x04010C: "BZip2 of Zip",
    0x04010E: "LZMA of Zip",
    0x04015D: "Zstandard of Zip",
    0x04015F: "xz",
    0x040160: "Jpeg",
    0x040161: "WavPack",
    0x040162: "PPMd of Zip",
    0x040163: "wzAES",
    BZIP2: "BZip2",
    0x040301: "Rar1",
    0x040302: "Rar2",
    0x040303: "Rar3",
    0x040305: "Rar5",
    0x040401: "Arj",
    0x040402: "Arj 4",
    0x0405: "Z",
    0x0406: "Lzh",
    0x0408: "Cab",
    0x040901: "Deflate of NSIS",
    0x040902: "BZip2 of NSIS",
    0x04F71001: "LZHAM",
    ZSTD: "Zstandard",
    BROTLI: "Brotli",
    0x04F71104: "LZ4",
    0x04F71105: "LZ5",
    0x04F71106: "Lizard",
    0x04F71201: "WavPack2",
    0x04F712FE: "eSplitter",
    0x04F712FF: "RawSplitter",
}

_COMPRESSORS = {COPY, LZMA2, LZMA, PPMD, BZIP2, DEFLATE, DEFLATE64, ZSTD, BROTLI}
_AFTER_ANY = {_BCJ, _PPC, _ARM, _ARMT, _SPARC}
_AFTER_LZMA = {DELTA, _IA64}
"""Filters that only liblzma has, which has them only behind its own compressors."""


def number(method: bytes) -> int:
    """A method as a number, from its bytes in a header."""
    return int.from_bytes(method, "big")


def name(method: int) -> str:
    """A method's name, for messages; the identifier of one that nobody has named.

    Examples:
        >>> name(0x04F71104), name(0x3F01)
        ('LZ4', 'the unknown method 3f01')
    """
    if method in NAMES:
        return NAMES[method]
    return f"the unknown method {method.to_bytes(max(1, (method.bit_length() + 7) // 8), 'big').hex()}"


def is_cipher(method: int) -> bool:
    """Whether a method encrypts: the identifiers that begin with 06, and wzAES."""
    return method == 0x040163 or method >> 24 == 0x06


def obstacle(address: str, chain: Sequence[int]) -> str | None:
    """A sentence on why a packed stream can't be read, with what to do; None where it can.

    Args:
        address: the archive, for the sentence.
        chain: methods in the order of decoding, from the packed bytes on.
    """
    file = re.split(r"[\\/]", address)[-1]
    if any(is_cipher(method) for method in chain):
        return (
            f"{address}: encrypted, which is not supported; unpack it with its password (7z x {file}) and give the "
            "folder"
        )
    if _readable(chain):
        return None
    one_by_one = _COMPRESSORS | _AFTER_ANY | _AFTER_LZMA
    strange = [name(method) for method in chain if method not in one_by_one]
    packed = " and ".join(strange) if strange else " + ".join(name(method) for method in chain) + " in a chain"
    return (
        f"{address}: packed with {packed}, which is not supported; unpack it with a program that knows the method "
        f"(7z x {file}, of a current 7-Zip or 7-Zip ZS) and give the folder"
    )


def _readable(chain: Sequence[int]) -> bool:
    if not chain:
        return True
    compressor, filters = chain[0], set(chain[1:])
    if compressor not in _COMPRESSORS or len(chain) > 4:
        return False
    if compressor == LZMA2:
        return filters <= _AFTER_ANY | _AFTER_LZMA
    if compressor == LZMA and filters <= _AFTER_LZMA:
        return True
    return len(chain) < 3 and filters <= _AFTER_ANY  # py7zr gets a second one wrong
