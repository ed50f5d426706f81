"""Label Studio's brush masks: run lengths packed bit by bit.

The packing is thi.ng/rle-pack (https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack) over the picture's
RGBA bytes, as Label Studio's own converter reads and writes it (label_studio_sdk/converter/brush.py); a pixel belongs to
the mask by its alpha. 32 bits count of words, 5 bits word size - 1, four times 4 bits length size - 1; then blocks of
1 bit "one value repeated", 2 bits which length size, length - 1, and one value, or as many as the length says.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import AnnotationError
from core.masks.mask import Mask

_WORD_BITS, _LENGTH_BITS = 8, (3, 4, 8, 16)
_LONGEST = 1 << _LENGTH_BITS[-1]
_MALFORMED = "its brush RLE is malformed ({}); export the task from Label Studio again"


def encode_brush(mask: Mask) -> list[int]:
    """mask: (H, W) bool. Returns bytes, 0 to 255, of an opaque white mask on nothing."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = 4 * np.diff(starts, append=flat.size)
    bits = [f"{4 * flat.size:032b}{_WORD_BITS - 1:05b}", *(f"{size - 1:04b}" for size in _LENGTH_BITS)]
    for length, value in zip(lengths.tolist(), flat[starts].tolist(), strict=True):
        word = "11111111" if value else "00000000"
        while length:
            part = min(length, _LONGEST)
            which = next(number for number, size in enumerate(_LENGTH_BITS) if part <= 1 << size)
            bits.append(f"1{which:02b}{part - 1:0{_LENGTH_BITS[which]}b}{word}")
            length -= part
    packed = "".join(bits)
    return np.packbits(np.frombuffer(packed.encode("ascii"), np.uint8) - ord("0")).tolist()


def decode_brush(rle: Sequence[int], size_hw: tuple[int, int]) -> Mask:
    """Returns (H, W) bool: where the alpha is at least half. Raises AnnotationError for anything malformed."""
    if not isinstance(rle, list) or not all(isinstance(value, int) and 0 <= value <= 255 for value in rle):
        raise AnnotationError(_MALFORMED.format("it is not a list of bytes"))
    bits, total = np.unpackbits(np.array(rle, np.uint8)), 4 * size_hw[0] * size_hw[1]
    if len(bits) < 53:
        raise AnnotationError(_MALFORMED.format("it ends within its head"))
    if (words := _number(bits[:32])) != total:
        raise AnnotationError(
            f"its brush RLE holds {words} bytes, {total} are needed for {size_hw[1]}x{size_hw[0]} pixels; "
            "label the photo this workspace holds"
        )
    if (word_bits := _number(bits[32:37]) + 1) != _WORD_BITS:
        raise AnnotationError(_MALFORMED.format(f"words of {word_bits} bits, only 8 are known"))
    sizes = [_number(bits[at : at + 4]) + 1 for at in range(37, 53, 4)]
    values, at, done = np.zeros(total, np.uint8), 53, 0
    while done < total:
        if at + 3 > len(bits):
            raise AnnotationError(_MALFORMED.format(f"it ends after {done} of {total} bytes"))
        repeated, size = bits[at], sizes[_number(bits[at + 1 : at + 3])]
        length = _number(bits[at + 3 : at + 3 + size]) + 1
        at += 3 + size
        block = bits[at : at + (_WORD_BITS if repeated else _WORD_BITS * length)]
        if done + length > total or len(block) < _WORD_BITS or len(block) % _WORD_BITS:
            raise AnnotationError(_MALFORMED.format(f"a block of {length} after {done} of {total} bytes is cut or too long"))
        words_read = np.packbits(block)
        if not repeated and len(words_read) < length:
            raise AnnotationError(_MALFORMED.format(f"it ends after {done} of {total} bytes"))
        values[done : done + length] = words_read
        at, done = at + len(block), done + length
    return values.reshape(*size_hw, 4)[..., 3] >= 128


def _number(bits: NDArray[np.uint8]) -> int:
    """The bits as an unsigned number, the highest first."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big") >> (-len(bits) % 8)
