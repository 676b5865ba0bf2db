"""winmail.dat files, written piece by piece ([MS-OXTNEF])."""

import struct


def attribute(level: int, number: int, data: bytes) -> bytes:
    """Return one attribute with its checksum."""
    checksum = sum(data) & 0xFFFF
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", checksum)


def string_property(tag: int, text: str) -> bytes:
    """Return a Unicode property."""
    data = text.encode("utf-16-le") + b"\0\0"
    return struct.pack("<HHII", 0x001F, tag, 1, len(data)) + data + b"\0" * (-len(data) % 4)


def binary_property(tag: int, data: bytes) -> bytes:
    """Return a binary property."""
    return struct.pack("<HHII", 0x0102, tag, 1, len(data)) + data + b"\0" * (-len(data) % 4)


def properties(*entries: bytes) -> bytes:
    """Return a list of properties."""
    return struct.pack("<I", len(entries)) + b"".join(entries)


def winmail(*attributes: bytes) -> bytes:
    """Return a TNEF stream."""
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes)


def packed_file(title: bytes, data: bytes, long_name: str = "") -> bytes:
    """Return the attributes of an attachment."""
    found = attribute(2, 0x00069002, b"\0" * 14) + attribute(2, 0x00018010, title + b"\0")
    found += attribute(2, 0x0006800F, data)
    if long_name:
        found += attribute(2, 0x00069005, properties(string_property(0x3707, long_name)))
    return found


MESSAGE = attribute(
    1,
    0x00069003,
    properties(
        struct.pack("<HHI", 0x0003, 0x3FDE, 65001),
        string_property(0x1000, "The packed text"),
        binary_property(0x1013, "<p>The packed <b>grün</b></p>".encode()),
    ),
)
