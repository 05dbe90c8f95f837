"""A Dask cluster of pods that grows with the work, and a `socorpus` command on it.

    pip install dask-kubernetes        # its operator must be installed in the Kubernetes cluster
    python kubernetes.py build s3://bucket/stackoverflow.com-Posts.7z … -o s3://bucket/corpus

Pods share no folder, so dump and corpus are in an object store. The image has Python, `socorpus[s3]` and dask, in the
versions of the machine that runs this.
"""

import subprocess
import sys

from dask_kubernetes.operator import KubeCluster

IMAGE = "registry.example.com/socorpus:0.1.0"
WORKERS = 64
SECRET = "store"  # a secret of Kubernetes, with the keys below


def main() -> int:
    store = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with KubeCluster(
        name="socorpus",
        image=IMAGE,
        n_workers=1,
        resources={"requests": {"cpu": "1", "memory": "3Gi"}, "limits": {"memory": "3Gi"}},
        env=[{"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": name}}} for name in store],
        worker_command=["dask-worker", "--nthreads", "1"],
    ) as cluster:
        cluster.adapt(minimum=1, maximum=WORKERS)
        return subprocess.call(["socorpus", *sys.argv[1:], "--scheduler", cluster.scheduler_address])


if __name__ == "__main__":
    sys.exit(main())
