"""Kafka Connect with Debezium's JDBC sink: fetched by Maven, run as one standalone worker by the machine's Java."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import SideFailed
from tests.services.machine import free_port

KAFKA, SINK = "4.3.1", "3.3.1.Final"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_WANTED = (
    ("org.apache.kafka", "connect-runtime", KAFKA), ("org.apache.kafka", "connect-json", KAFKA),
    ("io.debezium", "debezium-connector-jdbc", SINK), ("org.slf4j", "slf4j-nop", "2.0.17"),
)  # fmt: skip
TASKS, BATCH = 4, 5000


def libraries() -> Path:
    """The folder of its jars, kept from run to run.

    Raises:
        SideFailed: Java or Maven is missing, or a jar cannot be had.
    """
    folder = Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "flowc-benchmarks", f"connect-{KAFKA}-{SINK}"
    )
    done = folder / "done"
    if not done.exists():
        if shutil.which("mvn") is None or shutil.which("java") is None:
            raise SideFailed("Kafka Connect needs Java and Maven")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pom.xml").write_text(_project(), "utf-8")
        command = ["mvn", "-q", "-B", _COPY, f"-DoutputDirectory={folder / 'lib'}"]
        got = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if got.returncode:
            raise SideFailed(f"Maven does not get Kafka Connect: {got.stdout[-300:]}")
        done.touch()
    return folder / "lib"


def _project() -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in _WANTED
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>flowc</groupId>'
        f"<artifactId>connect</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{wanted}</dependencies></project>"
    )


def command(folder: Path, bootstrap: str, topic: str, dsn: str, types: Mapping[str, str]) -> list[str]:
    """What starts a worker that copies a topic of JSON into the table `events`; `types` are Connect's, by field."""
    lib = libraries()
    parts = urlsplit(dsn)
    schema = {"type": "struct", "fields": [{"field": name, "type": kind} for name, kind in types.items()]}
    worker = {
        "bootstrap.servers": bootstrap, "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps(schema), "offset.storage.file.filename": folder / "offsets",
        "listeners": f"http://127.0.0.1:{free_port()}", "consumer.max.poll.records": BATCH,
        "consumer.auto.offset.reset": "earliest", "plugin.discovery": "only_scan",
    }  # fmt: skip
    sink = {
        "name": f"sink-{topic}", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "topics": topic, "tasks.max": TASKS, "collection.name.format": "events", "insert.mode": "insert",
        "primary.key.mode": "none", "schema.evolution": "none", "batch.size": BATCH,
        "connection.url": f"jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}?reWriteBatchedInserts=true",
        "connection.username": parts.username, "connection.password": parts.password or "none",
    }  # fmt: skip
    for name, given in (("worker", worker), ("sink", sink)):
        text = "".join(f"{key}={value}\n" for key, value in given.items())
        (folder / f"{name}.properties").write_text(text, "utf-8")
    main = "org.apache.kafka.connect.cli.ConnectStandalone"
    return [
        "java",
        "-Xmx2g",
        "-cp",
        f"{lib}/*",
        main,
        str(folder / "worker.properties"),
        str(folder / "sink.properties"),
    ]
