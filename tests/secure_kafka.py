"""An Apache Kafka that knows its clients: SCRAM over TLS, mutual TLS, and access control."""

from __future__ import annotations

import subprocess
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.embedded import free_port

from .brokers import ApacheKafka

PASSWORD = "alice-secret"
_STORE_PASSWORD = "changeit"


class SecureKafka(ApacheKafka):
    """`bootstrap` is for its owner, who may do everything; `scram` and `mutual_tls` are for users without rights."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._sasl, self._ssl = free_port(), free_port()
        self._format = ["--add-scram", f"SCRAM-SHA-256=[name=alice,password={PASSWORD}]"]
        self._settings |= {
            "listeners": f"PLAINTEXT://{self.bootstrap},SASL_SSL://127.0.0.1:{self._sasl},"
            f"SSL://127.0.0.1:{self._ssl},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},SASL_SSL://127.0.0.1:{self._sasl},"
            f"SSL://127.0.0.1:{self._ssl}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": home / "server.p12",
            "ssl.keystore.password": _STORE_PASSWORD,
            "ssl.key.password": _STORE_PASSWORD,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": home / "ca.pem",
            "listener.name.ssl.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def start(self) -> None:
        """See `ApacheKafka.start`."""
        self._certify()
        super().start()

    @property
    def admin(self) -> AdminClient:
        """A client of the owner."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    @property
    def scram(self) -> KafkaSettings:
        """How `User:alice` reaches it."""
        return KafkaSettings(
            bootstrap=f"127.0.0.1:{self._sasl}",
            security=SecuritySettings.model_validate(
                {"protocol": "sasl_ssl", "username": "alice", "password": PASSWORD, "ca": self.home / "ca.pem"}
            ),
        )

    @property
    def mutual_tls(self) -> KafkaSettings:
        """How `User:CN=client` reaches it."""
        return KafkaSettings(
            bootstrap=f"127.0.0.1:{self._ssl}",
            security=SecuritySettings(
                protocol="ssl",
                ca=self.home / "ca.pem",
                certificate=self.home / "client.pem",
                key=self.home / "client.key",
            ),
        )

    def allow(
        self,
        user: str,
        kind: ResourceType,
        name: str,
        *operations: AclOperation,
        pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    ) -> None:
        """Give a user rights on what has this name."""
        bindings = [
            AclBinding(kind, name, pattern, user, "*", operation, AclPermissionType.ALLOW) for operation in operations
        ]
        admin = self.admin
        for made in admin.create_acls(bindings).values():
            made.result(10)

    def forbid(
        self,
        user: str,
        kind: ResourceType,
        name: str,
        operation: AclOperation,
        pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    ) -> None:
        """Take a right back."""
        right = AclBindingFilter(kind, name, pattern, user, None, operation, AclPermissionType.ALLOW)
        admin = self.admin
        for gone in admin.delete_acls([right]).values():
            gone.result(10)

    def _certify(self) -> None:
        """Make an authority, and the certificates of the server and of one client."""

        def openssl(line: str) -> None:
            subprocess.run(["openssl", *line.split()], cwd=self.home, check=True, capture_output=True)

        openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.pem")
        (self.home / "san.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        authority = "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile san.cnf"
        for name in ("server", "client"):
            openssl(f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
            openssl(f"x509 -req -days 30 -in {name}.csr {authority} -out {name}.pem")
        store = f"-certfile ca.pem -passout pass:{_STORE_PASSWORD} -out server.p12"
        openssl(f"pkcs12 -export -in server.pem -inkey server.key {store}")
