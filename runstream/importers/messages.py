"""Message types of foreign protobuf formats, made when they are needed from the fields we read.

Other trackers' generated code would come with the trackers. What is not described here is skipped by the decoder. The
syntax is proto2's, so that an absent field differs from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = re.compile(r"(\w+)(\*?) (\w+) (\d+)")
_Field = descriptor_pb2.FieldDescriptorProto


def message_types(package: str, described: Mapping[str, str]) -> dict[str, Any]:
    """Makes the message classes of a package of its own.

    Args:
        package: names the package; twice the same is not needed.
        described: message to its fields, ``name type number`` with commas between; ``name*`` is repeated; a type is a
            scalar of protobuf or a message of the package.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for message_name, fields in described.items():
        message = file.message_type.add(name=message_name)
        for name, repeated, kind, number in _FIELD.findall(fields):
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            field = message.field.add(name=name, number=int(number), label=label)
            if kind in described:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in described
    }
