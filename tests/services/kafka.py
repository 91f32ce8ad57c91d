"""Apache Kafka, one node in KRaft mode, run by the machine's Java from jars that Maven fetched once.

Its address is `host:port` of an open listener and, behind `?`, those of listeners that ask for a user (`sasl`) and
for TLS besides (`tls`), and the file of the certificate authority (`ca`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from tests.services.machine import MissingService, Server, free_port, prepared, temporary_folder, tied

VERSION = "4.3.1"
USER, PASSWORD = "alice", "alice-secret"
_STORE_PASSWORD = "store-secret"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>flowc.tests</groupId> <artifactId>kafka</artifactId> <version>1</version> <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId> <artifactId>kafka_2.13</artifactId> <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId> <artifactId>log4j-slf4j-impl</artifactId> <version>2.25.4</version>
    </dependency>
  </dependencies>
</project>
"""
_LOGGING = """Configuration:
  Appenders: {Console: {name: out, PatternLayout: {pattern: "%d %p %m (%c)%n"}}}
  Loggers: {Root: {level: WARN, AppenderRef: [{ref: out}]}}
"""
_LISTENERS = ("OPEN", "CONTROLLER", "SASL", "TLS")
# Few and small: a broker that starts fast matters more than one that runs fast for hours.
_JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_SETTINGS = {
    "process.roles": "broker,controller", "node.id": 1,
    "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "OPEN",
    "listener.security.protocol.map": "OPEN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL",
    "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 2,
    "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 2, "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1, "group.initial.rebalance.delay.ms": 0,
    "broker.heartbeat.interval.ms": 200,
    "group.consumer.min.heartbeat.interval.ms": 200, "group.consumer.heartbeat.interval.ms": 300,
    "group.min.session.timeout.ms": 1000, "auto.create.topics.enable": "false", "log.retention.hours": -1,
    "message.max.bytes": 20_000_000, "replica.fetch.max.bytes": 20_000_000,
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512", "ssl.keystore.type": "PKCS12",
}  # fmt: skip


@dataclass
class Broker:
    """A broker with its folder and its ports, which outlive its process.

    `session_ms` is how long the controller waits for a sign of life: for so long, one that was killed and comes back
    is not let in, and one that is starved by a busy machine keeps its topics.
    """

    folder: Path
    session_ms: int = 1000
    classes: str = ""
    """The JVM's option for classes that it keeps, or finds, as they are when they are loaded."""
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _LISTENERS})
    _server: Server | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        others = {name.lower(): f"127.0.0.1:{self.ports[name]}" for name in ("SASL", "TLS")}
        return f"127.0.0.1:{self.ports['OPEN']}?" + urlencode({**others, "ca": str(_cache() / "ca.pem")})

    def make(self) -> None:
        """Writes its settings and formats its log. Raises MissingService."""
        libraries = _fetched()
        own = {"log.dirs": self.folder / "data", "broker.session.timeout.ms": self.session_ms}
        settings = {**_SETTINGS, **self._listeners(), **own}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "server.properties").write_text(text)
        (self.folder / "logging.yaml").write_text(_LOGGING)
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        words = ["format", "--standalone", "-t", str(uuid.uuid4()), "-c", "server.properties", "--add-scram", scram]
        prepared("Kafka's storage tool", self._java(libraries, "kafka.tools.StorageTool", *words), self.folder)

    def start(self) -> None:
        """Starts it, and returns when it answers. Raises MissingService."""
        command = self._java(_fetched(), "kafka.Kafka", "server.properties")
        self._server = Server([*tied("KILL"), *command], self.folder)
        self._server.wait("Kafka", self._answers)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.stop(signal.SIGKILL)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Has it end in peace, or by another signal."""
        assert self._server is not None
        self._server.stop(by)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        settings = {
            "bootstrap.servers": f"127.0.0.1:{self.ports['OPEN']}", "log_level": 0, "reconnect.backoff.max.ms": 100,
        }  # fmt: skip
        try:
            return bool(AdminClient(settings).list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _java(self, libraries: Path, main: str, *words: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'logging.yaml'}"
        options = [*_JVM, *([self.classes] if self.classes else []), logging]
        return [_program("java", "a JRE 17"), *options, "-cp", f"{libraries}/*", main, *words]

    def _listeners(self) -> dict[str, object]:
        at = {name: f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()}
        open_to_clients = [at[name] for name in ("OPEN", "SASL", "TLS")]
        return {
            "listeners": ",".join(at.values()),
            "advertised.listeners": ",".join(open_to_clients),
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.ports['CONTROLLER']}",
            "ssl.keystore.location": _cache() / "broker.p12",
            "ssl.keystore.password": _STORE_PASSWORD,
            **{f"listener.name.{name}.{key}": value for name in ("sasl", "tls") for key, value in _users().items()},
        }


def _users() -> dict[str, str]:
    module = "org.apache.kafka.common.security"
    return {
        "plain.sasl.jaas.config": f'{module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
        "scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
    }


@contextmanager
def started() -> Iterator[str]:
    """The address of a broker that lives as long as the context.

    Raises:
        MissingService: when it cannot be started.
    """
    with own_broker(session_ms=30_000) as broker:
        yield broker.address


@contextmanager
def own_broker(session_ms: int = 1000) -> Iterator[Broker]:
    """A broker to be stopped and started at will, for as long as the context. Raises MissingService."""
    with temporary_folder("kafka") as folder:
        broker = Broker(folder, session_ms, f"-XX:SharedArchiveFile={_archived()}")
        broker.make()
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()  # nothing of it is kept


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flowc-tests" / f"kafka-{VERSION}"


def _fetched() -> Path:
    """The folder of the jars, fetched by the first who asks. Raises MissingService."""
    cache = _cache()
    _made(cache / "complete", _fetch)
    return cache / "jars"


def _archived() -> Path:
    """A broker's classes as the JVM has them when they are loaded, which spares it a third of what a start takes."""
    _fetched()
    file = _cache() / "classes.jsa"
    _made(file, _archive)
    return file


def _made(file: Path, make: Callable[[Path], None]) -> None:
    """Has the first who asks make a file of the cache; those who ask meanwhile wait."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with (file.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                make(file.parent)
                file.touch()


def _archive(cache: Path) -> None:
    """Where a JVM makes none, the file stays empty, and is taken for none."""
    with temporary_folder("kafka") as folder:
        broker = Broker(folder, classes=f"-XX:ArchiveClassesAtExit={folder / 'classes.jsa'}")
        broker.make()
        broker.start()
        broker.stop()
        if (folder / "classes.jsa").exists():
            shutil.copy(folder / "classes.jsa", cache / "new.jsa")
            (cache / "new.jsa").replace(cache / "classes.jsa")


def _fetch(cache: Path) -> None:
    _program("java", "a JRE 17")
    maven, keytool = _program("mvn", "Maven"), _program("keytool", "a JRE 17")
    shutil.rmtree(cache / "jars", ignore_errors=True)
    (cache / "pom.xml").write_text(_PROJECT)
    words = ["-q", "-B", _COPY, f"-DoutputDirectory={cache / 'jars'}", "-DincludeScope=runtime"]
    prepared("Maven", [maven, *words], cache)
    store = ["-keystore", "broker.p12", "-storepass", _STORE_PASSWORD, "-alias", "broker"]
    names = ["-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1,dns:localhost"]
    (cache / "broker.p12").unlink(missing_ok=True)
    making = ["-genkeypair", "-keyalg", "EC", "-validity", "3650", "-storetype", "PKCS12"]
    prepared("keytool", [keytool, *making, *names, *store], cache)
    prepared("keytool", [keytool, "-exportcert", "-rfc", "-file", "ca.pem", *store], cache)


def _program(name: str, package: str) -> str:
    if found := shutil.which(name):
        return found
    raise MissingService(f"no Kafka: set FLOWC_TEST_KAFKA to a broker's host:port, or install {package} (`{name}`)")
