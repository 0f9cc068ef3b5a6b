"""A file of events in the run's folder, for ``tensorboard --logdir out``.

The file is a sequence of records: length (uint64), its checksum, a protocol buffer of the type
``Event``, its checksum (tensorboard's ``event.proto`` and ``summary.proto``, TensorFlow's
``record_writer``). The few fields that are needed are encoded here, so that no package is.
"""

import json
import os
import platform
import struct
import time
from collections.abc import Mapping
from typing import Any

from nanogpt_cli.logs.events import finite
from nanogpt_cli.logs.metrics import write_all
from nanogpt_cli.training.trackers.base import Place, Tracker, TrackerKind, scalars

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""
_STRING = 7
"""``DT_STRING`` of ``types.proto``."""
_START = 1
"""``SessionLog.START``: the viewer forgets what it has of this step and later ones."""


class EventFile(Tracker):
    """Appends events to a new file."""

    def __init__(self, place: Place) -> None:
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.{platform.node()}.{os.getpid()}"
        # a fresh run may be in the folder of another one, whose curves it replaces
        number = sum(1 for _ in place.folder.glob("events.out.tfevents.*"))
        self._file = open(place.folder / f"{name}.{number}", "xb", buffering=0)  # noqa: SIM115 - until close
        self._append(_bytes(3, b"brain.Event:2"))
        self._append(_step(place.step + place.resumed) + _bytes(7, _varint_field(1, _START)))

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Append the curves of an event, its text, or the settings of the run."""
        values = [
            _bytes(1, name.encode()) + _key(2, _FIXED32) + struct.pack("<f", value)
            for name, value in scalars(event, fields).items()
        ]
        if event == "sample":
            values.append(_text("sample", f"{fields['prompt']} » {fields['text']}"))
        elif event == "run":
            settings = json.dumps(finite(dict(fields)), indent=2)
            values.append(_text("run", "\n".join(f"    {line}" for line in settings.splitlines())))
        if values:
            summary = b"".join(_bytes(1, value) for value in values)
            self._append(_step(int(fields.get("step", 0))) + _bytes(5, summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, event: bytes) -> None:
        data = _key(1, _FIXED64) + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(data))
        record = length + _checksum(length) + data + _checksum(data)
        write_all(self._file, record)


def _text(tag: str, text: str) -> bytes:
    """Encode a ``Summary.Value`` that the viewer shows as text (Markdown)."""
    metadata = _bytes(1, _bytes(1, b"text"))  # plugin_data.plugin_name
    shape = _bytes(2, _varint_field(1, 1))  # one dimension of size 1
    tensor = _varint_field(1, _STRING) + _bytes(2, shape) + _bytes(8, text.encode())
    return _bytes(1, tag.encode()) + _bytes(9, metadata) + _bytes(8, tensor)


def _step(step: int) -> bytes:
    return _varint_field(2, step)


def _varint(number: int) -> bytes:
    """Encode a number that is not negative, seven bits a byte."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint_field(field: int, number: int) -> bytes:
    return _key(field, _VARINT) + _varint(number)


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(content)) + content


def _crc_table() -> list[int]:
    """Return the table of CRC-32C (Castagnoli), which zlib does not have."""
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


_CRC_TABLE = _crc_table()


def _checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C of a record's part."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


TRACKER = TrackerKind(EventFile)
