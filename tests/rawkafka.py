"""Messages that the Python client does not let anybody produce: headers whose names are any bytes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

from tests.waiting import PATIENCE

_END, _TOPIC, _PARTITION, _VALUE, _FLAGS, _HEADERS = 0, 1, 3, 4, 7, 10
"""What the next argument of `rd_kafka_producev` is."""
_COPY = 2
_PRODUCER = 0


def produce(address: str, topic: str, value: bytes, header: bytes) -> None:
    """Produces a message with a header of that name into partition 0, and waits until the broker has it."""
    client = _client()
    conf, said = client.rd_kafka_conf_new(), ctypes.create_string_buffer(512)
    client.rd_kafka_conf_set(conf, b"bootstrap.servers", address.encode(), said, len(said))
    producer = client.rd_kafka_new(_PRODUCER, conf, said, len(said))
    assert producer, said.value
    headers = client.rd_kafka_headers_new(1)
    client.rd_kafka_header_add(headers, header, len(header), b"v", 1)
    number, text, pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
    failed = client.rd_kafka_producev(
        pointer(producer), number(_TOPIC), text(topic.encode()), number(_PARTITION), ctypes.c_int32(0),
        number(_FLAGS), number(_COPY), number(_VALUE), text(value), ctypes.c_size_t(len(value)),
        number(_HEADERS), pointer(headers), number(_END),
    )  # fmt: skip
    assert failed == 0, failed
    assert client.rd_kafka_flush(producer, int(PATIENCE * 1000)) == 0
    client.rd_kafka_destroy(producer)


def _client() -> ctypes.CDLL:
    """The library that the Python client brings along."""
    home = Path(confluent_kafka.__file__).parent
    (path,) = [*home.parent.glob("confluent_kafka.libs/librdkafka*"), *home.glob(".dylibs/librdkafka*")]
    client, pointer, size = ctypes.CDLL(str(path)), ctypes.c_void_p, ctypes.c_size_t
    client.rd_kafka_conf_new.restype = client.rd_kafka_new.restype = client.rd_kafka_headers_new.restype = pointer
    client.rd_kafka_conf_set.argtypes = [pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, size]
    client.rd_kafka_new.argtypes = [ctypes.c_int, pointer, ctypes.c_char_p, size]
    client.rd_kafka_headers_new.argtypes = [size]
    client.rd_kafka_header_add.argtypes = [pointer, ctypes.c_char_p, size, ctypes.c_char_p, size]
    client.rd_kafka_flush.argtypes = [pointer, ctypes.c_int]
    client.rd_kafka_destroy.argtypes = [pointer]
    return client
