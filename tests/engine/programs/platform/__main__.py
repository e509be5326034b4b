"""A small platform: one resource of every provider, wired as the real one is."""

import json

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_minio as minio
import pulumi_random as random
import pulumiverse_grafana as grafana

config = pulumi.Config()
tempo = config.require_object("tempo")
password = random.RandomPassword("password", length=24, special=False)


class Store(pulumi.ComponentResource):
    """The object store of this platform."""

    def __init__(self, name: str) -> None:
        super().__init__("platform:index:Store", name)
        child = pulumi.ResourceOptions(parent=self)
        self.namespace = kubernetes.core.v1.Namespace(
            "store-namespace", metadata={"name": "store"}, opts=child
        )
        self.secret = kubernetes.core.v1.Secret(
            "store-root",
            metadata={"name": "store-root", "namespace": self.namespace.metadata.name},
            string_data={"password": config.require_secret("password"), "other": password.result},
            opts=child,
        )
        self.server = kubernetes.apps.v1.StatefulSet(
            "store-server",
            metadata={"name": "store", "namespace": self.namespace.metadata.name},
            spec={
                "replicas": config.require_int("replicas"),
                "service_name": "store",
                "selector": {"match_labels": {"app": "store"}},
                "template": {
                    "metadata": {"labels": {"app": "store"}},
                    "spec": {"containers": [{"name": "minio", "image": "minio"}]},
                },
                "volume_claim_templates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "access_modes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "20Gi"}},
                        },
                    }
                ],
            },
            opts=child,
        )
        self.service = kubernetes.core.v1.Service(
            "store-service",
            metadata={"name": "store", "namespace": self.namespace.metadata.name},
            spec={"selector": {"app": "store"}, "ports": [{"port": 9000}]},
            opts=child,
        )
        provider = minio.Provider(
            "minio",
            minio_server="localhost:9000",
            minio_user="root",
            minio_password=config.require_secret("password"),
            opts=child,
        )
        with_provider = pulumi.ResourceOptions(
            parent=self, provider=provider, depends_on=[self.server, self.service]
        )
        self.bucket = minio.S3Bucket("store-bucket", bucket="traces", opts=with_provider)
        minio.IlmPolicy(
            "store-lifecycle",
            bucket=self.bucket.bucket,
            rules=[{"id": "expire", "expiration": "7d", "noncurrent_version_expiration_days": 3}],
            opts=with_provider,
        )
        self.user = minio.IamUser("store-user", name="tempo", opts=with_provider)
        policy = minio.IamPolicy(
            "store-policy",
            name="tempo",
            policy=pulumi.Output.json_dumps(
                {"Version": "2012-10-17", "Statement": [{"Resource": self.bucket.arn}]}
            ),
            opts=with_provider,
        )
        minio.IamUserPolicyAttachment(
            "store-attachment",
            user_name=self.user.name,
            policy_name=policy.name,
            opts=with_provider,
        )
        self.register_outputs({"bucket": self.bucket.bucket})


store = Store("store")
release = kubernetes.helm.v3.Release(
    "tempo",
    name="tempo",
    chart="tempo-distributed",
    version="2.26.2",
    namespace=store.namespace.metadata.name,
    repository_opts={"repo": "https://charts.example"},
    values={
        "retention": tempo["retention"],
        "bucket": store.bucket.bucket,
        "region": config.require("region"),
    },
)
server = grafana.Provider("grafana", url="http://grafana", auth=config.require_secret("password"))
grafana.oss.DataSource(
    "tempo-source",
    name="Tempo",
    type="tempo",
    uid="tempo",
    url="http://tempo:3200",
    json_data_encoded=json.dumps({"nodeGraph": {"enabled": True}}),
    http_headers={"X-Scope-OrgID": "traces"},
    opts=pulumi.ResourceOptions(provider=server),
)
pulumi.export("bucket", store.bucket.bucket)
pulumi.export("secret_key", store.user.secret)
pulumi.export("release", release.status.name)
