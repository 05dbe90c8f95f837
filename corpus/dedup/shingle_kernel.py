"""The compiled kernel that reads texts: their words and tokens as sets of shingles, and their marks, in one pass."""

import numpy as np

from socorpus.corpus.arrays import mix64, njit
from socorpus.corpus.dedup.telling import (
    ALWAYS,
    HYPHEN,
    IS_COURTESY,
    IS_NEGATION,
    IS_OPPOSITE,
    PLACES,
    PREFIX,
    means_something,
    role_of,
)
from socorpus.corpus.words.kernel import BLANK, COMPLEX, KIND, LETTER, MARKED, SIGN, START, WORD, advance, cut, room

SETS, MARKS, GAPS = range(3)
"""What is made: sets only; marks too; marks with gaps and blocks."""

_TOKEN = np.uint64(0x13198A2E03707345)
_STRICT = np.uint64(0x082EFA98EC4E6C89)
_NEGATION = np.uint64(0x452821E638D01377)
_GLUED = np.uint64(0xBE5466CF34E90C6C)
# Odd constants with about as many ones as zeros: fractional bits of pi.
_HIGH = np.uint64(0xFFFFFFFF00000000)
_NOT_BEHIND_WORDS = (HYPHEN, PREFIX)

_mix = njit(cache=True, nogil=True)(mix64)


@njit(cache=True, nogil=True)
def _add(total, value):  # type: ignore[no-untyped-def]
    """The hash of a sequence with one value more."""
    return (total ^ total >> np.uint64(29) ^ value) * LETTER


@njit(cache=True, nogil=True)
def shingle(  # type: ignore[no-untyped-def]
    data,
    bounds,
    firsts,
    begins,
    ends,
    whole,
    limits,
    classes,
    fold,
    ascii_,
    role_hashes,
    roles,
    stems,
    sign_kinds,
    width,
    fewest,
    marking,
    out,
    offsets,
    signs,
    wording,
    tokens,
    words,
    gaps,
    gap_offsets,
    blocks,
    block_offsets,
):
    """Fill `out` with the sorted sets, `offsets` with their bounds, and the marks."""
    power = np.uint64(1)
    for _ in range(width):
        power *= _TOKEN
    spare = np.empty(1024, np.uint64)
    slots = np.empty(1025, np.int64)
    edges, kinds, plains, caseds = room(bounds)
    base = gap_base = block_base = 0
    # Plain words and, before each, what is in the gap; the same of all words, with signs in the gaps.
    most = len(plains) + 1 if marking == GAPS else 0
    plain_words, inside = np.empty(most, np.uint64), np.empty(most, np.uint64)
    all_words, signs_inside = np.empty(most, np.uint64), np.empty(most, np.uint64)
    for document in range(len(bounds) - 1):
        # First the tokens' hashes, one after another; prose and code by turns.
        pos = base
        p, end = bounds[document], bounds[document + 1]
        place, block, last_block = 0, firsts[document], firsts[document + 1]
        in_code = False
        total, count_run, counted = 0, 0, SIGN
        of_signs, of_wording, of_tokens = START, START, START
        # Of prose: the kind of what is right before, whether it is a sign that counts, a word's hash.
        before, sign_before, hyphen_before, word_before, word_counts = BLANK, False, False, np.uint64(0), True
        new_line, run, drawn = True, np.int64(0), False
        gap, plain_count, sign_gap, all_count, block_pos = np.uint64(0), 0, np.uint64(0), 0, block_base
        while True:
            until = (ends[block] if in_code else begins[block]) if block < last_block else limits[document]
            stop = advance(data, p, end, until - place)
            place = max(place, until)
            if fewest and not in_code:
                p = stop
            start = p
            p = stop
            of_block = START
            for i in range(cut(data, start, stop, classes, fold, ascii_, edges, kinds, plains, caseds)):
                if i:
                    start = edges[i - 1]
                after = edges[i]
                kind, marked = kinds[i] & KIND, kinds[i] & MARKED
                plain, cased = plains[i], caseds[i]
                if kind == BLANK:
                    new_line |= data[start] == 10
                    before, counted = BLANK, SIGN
                    continue
                if fewest:
                    out[pos] = _mix(cased)
                    pos += 1
                    continue
                if marking == SETS:
                    if kind >= WORD:
                        out[pos] = _mix(plain)
                        pos += 1
                    continue
                of_tokens = _add(of_tokens, cased)
                if kind != counted:
                    count_run = 0
                counted = kind
                if kind == WORD:
                    total += 1
                elif kind > WORD:
                    total += count_run % (3 if kind == COMPLEX else 2) == 0
                    count_run += 1
                if kind >= WORD:
                    out[pos] = _mix(plain)
                    pos += 1
                if in_code:
                    of_signs = _add(of_signs, cased)
                    of_wording = _add(of_wording, cased ^ _STRICT)
                    of_block = _add(of_block, cased)
                    gap, sign_gap = _add(gap, cased), _add(sign_gap, cased)
                elif kind == SIGN:
                    if start >= run:
                        run = start + 1
                        while run < stop and data[run] == data[start]:
                            run += 1
                        drawn = run - start >= 4  # a rule
                    byte = data[start]
                    sign_kind = sign_kinds[byte] if byte < 0x80 else ALWAYS
                    counts = (
                        not drawn
                        and sign_kind != 0
                        and (before < WORD or sign_kind not in _NOT_BEHIND_WORDS)
                        and means_something(data, start, after, run, stop, before, new_line, sign_kind, classes)
                    )
                    if counts:
                        value = cased
                        if before >= WORD:
                            value ^= _GLUED
                            if not word_counts:
                                of_signs = _add(of_signs, word_before)
                                if marking == GAPS:  # it is no plain word, after all
                                    plain_count -= 1
                                    gap = _add(inside[plain_count], word_before)
                        of_signs = _add(of_signs, value)
                        of_wording = _add(of_wording, value ^ _STRICT)
                        gap, sign_gap = _add(gap, value), _add(sign_gap, value)
                    sign_before, hyphen_before = counts, counts and data[start] == 45
                else:
                    touched = before == SIGN and sign_before
                    value = cased if touched and hyphen_before else plain
                    role, word = np.int64(0), plain
                    if role_hashes[np.int64(plain & PLACES)] != 0:
                        role_place = role_of(plain, role_hashes)
                        if role_hashes[role_place] != 0:
                            role = np.int64(roles[role_place])
                        if role == IS_NEGATION:
                            word = stems[role_place]
                    negated = role == IS_NEGATION
                    word_counts = marked != 0 or touched or role == IS_OPPOSITE
                    if word_counts and word != 0:
                        of_signs = _add(of_signs, value)
                        of_wording = _add(of_wording, value ^ _STRICT)
                    elif role != IS_COURTESY and word != 0:
                        of_wording = _add(of_wording, word)
                    if marking == GAPS and word != 0:
                        if touched and hyphen_before:
                            sign_gap = _add(sign_gap, cased)
                        all_words[all_count], signs_inside[all_count] = word, sign_gap
                        all_count += 1
                        sign_gap = np.uint64(0)
                        if word_counts:
                            gap = _add(gap, value)
                        else:
                            plain_words[plain_count], inside[plain_count] = word, gap
                            plain_count += 1
                            gap = np.uint64(0)
                    if negated:
                        of_signs = _add(of_signs, _NEGATION)
                        of_wording = _add(of_wording, _NEGATION ^ _STRICT)
                        gap, sign_gap = _add(gap, _NEGATION), _add(sign_gap, _NEGATION)
                        word_counts = True
                    word_before = plain
                before, new_line = kind, False
            if block >= last_block:
                break
            if marking == GAPS and in_code and whole[block] and of_block != START:
                blocks[block_pos] = _mix(of_block)
                block_pos += 1
            block += in_code
            in_code = not in_code
            before, counted = BLANK, SIGN
        # Then, in their place, the shingles: a polynomial that rolls over the tokens.
        signs[document], wording[document], tokens[document] = _mix(of_signs), _mix(of_wording), _mix(of_tokens)
        words[document] = total
        if marking == GAPS:
            inside[plain_count], signs_inside[all_count] = gap, sign_gap
            _fill_gaps(gaps, gap_base, plain_words, inside, plain_count, START)
            _fill_gaps(gaps, gap_base + plain_count + 1, all_words, signs_inside, all_count, LETTER)
            stop = gap_base + plain_count + all_count + 2
            gaps[gap_base:stop].sort()
            gap_base = stop
            block_base = _unique(blocks, block_base, block_pos)
        gap_offsets[document + 1], block_offsets[document + 1] = gap_base, block_base
        count = pos - base
        if count < max(1, fewest):
            offsets[document + 1] = base
            continue
        rolling = np.uint64(0)
        for i in range(base, base + min(width, count)):
            rolling = rolling * _TOKEN + out[i]
        length = np.uint64(min(width, count)) * START
        count = max(1, count - width + 1)
        for i in range(base, base + count):
            oldest = out[i]
            out[i] = _mix(rolling + length)
            if i + width < pos:
                rolling = rolling * _TOKEN + out[i + width] - oldest * power
        if count > len(spare):
            spare = np.empty(2 * count, np.uint64)
            slots = np.empty(2 * count + 1, np.int64)
        base = _sort_unique(out, base, count, spare, slots)
        offsets[document + 1] = base


@njit(cache=True, nogil=True)
def _fill_gaps(gaps, base, words, inside, count, seed):  # type: ignore[no-untyped-def]
    """The gaps of a sequence of words: two words on either side, and what is between them."""
    for i in range(count + 1):
        around = seed
        for j in range(i - 2, i + 2):
            around = _add(around, words[j] if 0 <= j < count else seed)
        gaps[base + i] = _mix(around) & _HIGH | _mix(inside[i]) >> np.uint64(32)


@njit(cache=True, nogil=True)
def _unique(values, base, stop):  # type: ignore[no-untyped-def]
    """Sort values[base:stop] and keep each once; return the end."""
    if base == stop:
        return base
    values[base:stop].sort()
    end = base
    for i in range(base + 1, stop):
        if values[i] != values[end]:
            end += 1
            values[end] = values[i]
    return end + 1


@njit(cache=True, nogil=True)
def _sort_unique(out, base, count, spare, slots):  # type: ignore[no-untyped-def]
    """Sort out[base : base + count] and keep each value once; return the end. Bucket sort, as hashes are uniform."""
    if count > 16:
        bits = 1
        while 1 << bits < count:
            bits += 1
        bits -= 1
        shift = np.uint64(64 - bits)
        slots[: (1 << bits) + 1] = 0
        for i in range(count):
            spare[i] = out[base + i]
            slots[np.int64(spare[i] >> shift) + 1] += 1
        for i in range(1 << bits):
            slots[i + 1] += slots[i]
        for i in range(count):
            slot = np.int64(spare[i] >> shift)
            out[base + slots[slot]] = spare[i]
            slots[slot] += 1
    for i in range(base + 1, base + count):
        value = out[i]
        j = i
        while j > base and out[j - 1] > value:
            out[j] = out[j - 1]
            j -= 1
        out[j] = value
    end = base + 1
    for i in range(base + 1, base + count):
        if out[i] != out[i - 1]:
            out[end] = out[i]
            end += 1
    return end
