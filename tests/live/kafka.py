"""A Kafka of the tests' own in the cluster: one broker, which is gone with its namespace."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from tests.live.cluster import Cluster, is_ready
from tests.live.waiting import until

READY_SECONDS: Final = 180
NAME: Final = "kafka"
PORT: Final = 9092
ADMIN: Final = "localhost:19092"
"""Where the broker's own commands reach it, without a password: from its pod alone."""
USER: Final = "tempo"


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """A broker whose clients sign in by SASL's mechanism PLAIN.

    Its image is Apache Kafka's own (docker.io/apache/kafka) or one with the same interface:
    settings by environment variables, commands in /opt/kafka/bin.
    """

    cluster: Cluster
    namespace: str
    image: str
    password: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def address(self) -> str:
        return f"{NAME}.{self.namespace}.svc.cluster.local:{PORT}"

    def start(self) -> None:
        """Start it in its namespace, and wait until it answers."""
        labels = {"app": NAME}
        self.cluster.create(
            apiVersion="v1",
            kind="Service",
            metadata={"name": NAME, "namespace": self.namespace},
            spec={"selector": labels, "ports": [{"port": PORT}]},
        )
        container = {
            "name": NAME,
            "image": self.image,
            "env": [{"name": name, "value": value} for name, value in self._settings().items()],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2},
        }
        self.cluster.create(
            apiVersion="apps/v1",
            kind="Deployment",
            metadata={"name": NAME, "namespace": self.namespace},
            spec={
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    # Variables of Services would be taken for settings: KAFKA_PORT.
                    "spec": {"enableServiceLinks": False, "containers": [container]},
                },
            },
        )
        until("Kafka is ready", READY_SECONDS, self._is_ready)

    def make_topic(self, name: str, partitions: int) -> None:
        """Make a topic."""
        self._command(
            "kafka-topics.sh", "--create", f"--topic={name}", f"--partitions={partitions}"
        )

    def left_to_read(self, group: str, topic: str) -> int:
        """Records of a topic that the group has not said it is done with."""
        ends = self._command("kafka-get-offsets.sh", f"--topic={topic}")
        groups = self._command("kafka-consumer-groups.sh", "--describe", "--all-groups")
        # topic:partition:end; and group topic partition offset ..., of partitions that have one.
        written = re.findall(rf"^{topic}:\d+:(\d+)$", ends, re.MULTILINE)
        done = re.findall(rf"^{group}\s+{topic}\s+\d+\s+(\d+)", groups, re.MULTILINE)
        assert written, ends
        return sum(map(int, written)) - sum(map(int, done))

    def _settings(self) -> dict[str, str]:
        user = f'user_{USER}="{self.password}"'
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "ADMIN",
            "KAFKA_LISTENERS": f"CLIENT://:{PORT},ADMIN://{ADMIN},CONTROLLER://localhost:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://{self.address},ADMIN://{ADMIN}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
                "CLIENT:SASL_PLAINTEXT,ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "KAFKA_LISTENER_NAME_CLIENT_SASL_ENABLED_MECHANISMS": "PLAIN",
            "KAFKA_LISTENER_NAME_CLIENT_PLAIN_SASL_JAAS_CONFIG": f"{module} required {user};",
            # That Tempo does without what it was not given is a part of the test.
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        }

    def _pods(self) -> list[dict[str, Any]]:
        return self.cluster.objects("pods", f"--namespace={self.namespace}")

    def _is_ready(self) -> bool:
        pods = self._pods()
        assert pods, "no pod yet"
        assert all(map(is_ready, pods)), [pod["status"] for pod in pods]
        return True

    def _command(self, name: str, *arguments: str) -> str:
        command = [f"/opt/kafka/bin/{name}", f"--bootstrap-server={ADMIN}", *arguments]
        return self.cluster.run(
            "exec", f"deployment/{NAME}", f"--namespace={self.namespace}", "--", *command
        )
