"""Values to bytes and back, nothing lost on the way and nothing run that came out of a store.

The bytes are MessagePack. Plain JSON values and bytes stand in it as they are; every other type is an
extension of `tags.Tag`. A value comes back equal and of the same type, or it does not leave: whatever cannot
travel raises `PayloadError` that names the place, the type and what to pass instead.

A class travels as `module:QualName` and comes back only if that name leads to a class of the same kind: an
enum, a dataclass, a `msgspec.Struct` or a mapped entity.
"""

from __future__ import annotations

from qcore.codec.classes import class_path, find_class
from qcore.codec.decoding import LoadEntity, decode_arguments, decode_value
from qcore.codec.describing import describe, describe_arguments, describe_value, sketch_arguments
from qcore.codec.encoding import encode_arguments, encode_value
from qcore.codec.masking import MASK, Mask
from qcore.codec.text import short, visible

__all__ = [
    "MASK",
    "LoadEntity",
    "Mask",
    "class_path",
    "decode_arguments",
    "decode_value",
    "describe",
    "describe_arguments",
    "describe_value",
    "encode_arguments",
    "encode_value",
    "find_class",
    "short",
    "sketch_arguments",
    "visible",
]
