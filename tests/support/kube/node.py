"""A node with real containers on this machine: containerd, kubelet and a bridge.

Started by tests/support/kube/real.py, one at a time per machine (its lock), as root. containerd, kubelet and all containers live in a
process and a mount namespace of their own: when its first process ends, by whatever hand, the kernel ends the rest and every mount goes
with them. What remains of a run that was killed is the bridge and empty control groups; `Network` and `Node` clear these first.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.support.guarded import Guarded, free_port
from tests.support.kube.api import Api
from tests.support.kube.binaries import binaries
from tests.support.kube.names import DOMAIN
from tests.support.wait import until

BRIDGE = "asya0"
GATEWAY = "10.213.0.1"
"""This machine as pods see it: servers of the tests listen here."""
HARDWARE = "02:0a:d5:00:00:01"
PODS = "10.213.0.0/16"
SERVICES = "10.214.0.0/24"
API_SERVER = "10.214.0.1"
"""The address that every pod is given for the API server. No kube-proxy: the server itself listens on it."""
NAME = "asya-node"
GROUP = "asya-node"
"""Control group of all pods: a kubelet ends what it finds in its group and does not know, so it must not share one with another kubelet."""
PAUSE = "localhost/pause:1"

CONTAINERD = """\
version = 3
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
address = "{folder}/containerd.sock"
[ttrpc]
address = "{folder}/containerd.sock.ttrpc"
[plugins.'io.containerd.internal.v1.opt']
path = "{folder}/opt"
[plugins.'io.containerd.nri.v1.nri']
disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true # lowering it is not permitted in every sandbox
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{folder}/cni"
"""

INIT = """\
#!/bin/bash
# The first process of the node's namespaces. What containerd and kubelet keep outside the folder goes to memory that nobody else sees.
mkdir -p /run/containerd /var/lib/cni
mount -t tmpfs none /run/containerd
mount -t tmpfs none /var/lib/cni
mount --bind {folder}/log /var/log
cd {folder}
{containerd} --config containerd.toml >>containerd.log 2>&1 &
until {ctr} --address {folder}/containerd.sock version >/dev/null 2>&1; do sleep 0.05; done
{kubelet} >>kubelet.log 2>&1 &
wait -n # one of them ended: so does the node
"""


class Network:
    """The bridge that pods hang on, with this machine's addresses on it. Needs root."""

    def __init__(self) -> None:
        self.close()
        # With an address of its own, or it takes the lowest of its ports': each pod that comes or goes may change it then, and the others
        # reach nobody until they have asked anew who has the address, long enough for a controller to lose its lease.
        _ip("link", "add", BRIDGE, "address", HARDWARE, "type", "bridge")
        for address in (f"{GATEWAY}/16", f"{API_SERVER}/32"):
            _ip("address", "add", address, "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")

    def close(self) -> None:
        """Remove it, ours or that of a run that was killed."""
        if (Path("/sys/class/net") / BRIDGE).exists():
            _ip("link", "delete", BRIDGE)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr} (a node needs root)"


class Node:
    """A node that is Ready and has the images of an OCI layout. `load` more, and `close`."""

    def __init__(self, kubeconfig: Path, api: Api) -> None:
        self._programs = binaries("node", "control-plane")
        self.folder = Path(tempfile.mkdtemp(prefix="asya-node-"))
        self._api = api
        clear_groups()
        make_groups()
        for name in ("log", "cni", "pods"):
            (self.folder / name).mkdir()
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(folder=self.folder, pause=PAUSE))
        (self.folder / "cni" / "10-asya.conflist").write_text(json.dumps(self._network()))
        (self.folder / "kubelet.json").write_text(json.dumps(self._kubelet()))
        self._guarded = Guarded(self.folder)
        try:
            self._start(kubeconfig)
        except BaseException:
            self.close()
            raise

    def _network(self) -> dict[str, object]:
        addresses = {"type": "host-local", "dataDir": str(self.folder / "addresses"), "ranges": [[{"subnet": PODS}]]}
        bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "isDefaultGateway": True, "ipam": addresses}
        return {"cniVersion": "1.0.0", "name": "asya", "plugins": [bridge]}

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.folder}/containerd.sock",
            "address": GATEWAY,
            "port": free_port(),
            "healthzPort": 0,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [GATEWAY],
            "clusterDomain": DOMAIN,
            "podLogsDir": str(self.folder / "pods"),
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{GROUP}",
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "localStorageCapacityIsolation": False,
            "evictionHard": {},  # of this machine's disk and memory others take their part
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": False,
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
        }

    def _start(self, kubeconfig: Path) -> None:
        kubelet = [
            self._programs["kubelet"],
            "--config=kubelet.json",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={NAME}",
            f"--node-ip={GATEWAY}",
            f"--root-dir={self.folder}/kubelet",
            f"--cert-dir={self.folder}/certificates",
        ]
        init = self.folder / "init"
        init.write_text(
            INIT.format(
                folder=self.folder,
                containerd=self._programs["containerd"],
                ctr=self._programs["ctr"],
                kubelet=" ".join(map(str, kubelet)),
            )
        )
        path = f"{self._programs['containerd'].parent}:/usr/sbin:/sbin:{os.environ['PATH']}"  # the shim, runc, mount
        unshared = ["unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "bash", init]
        self._process = self._guarded.start(
            unshared, self.folder / "init.log", os.environ | {"PATH": path}, self.folder
        )
        try:
            until(self._is_ready, 60, 0.1, what="the node is Ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.logs()
        found = self._api.find("nodes", "", NAME) or {}
        conditions = found.get("status", {}).get("conditions", ())
        tainted = found.get("spec", {}).get("taints")
        return not tainted and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def logs(self) -> str:
        """The last words of its programs."""
        found = (self.folder / f"{name}.log" for name in ("init", "containerd", "kubelet"))
        return "\n".join(file.read_text()[-2000:] for file in found if file.exists())

    def load(self, layout: Path) -> None:
        """Import every image of an OCI layout, under the names that it gives them."""
        with subprocess.Popen(["tar", "-C", str(layout), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
            self._ctr("images", "import", "-", source=tar)

    def images(self) -> list[str]:
        """Names of all it has."""
        return [name for name in self._ctr("images", "list", "--quiet").split() if not name.startswith("sha256:")]

    def _ctr(self, *arguments: str, source: subprocess.Popen[bytes] | None = None) -> str:
        command = [
            self._programs["ctr"],
            "--address",
            self.folder / "containerd.sock",
            "--namespace",
            "k8s.io",
            *arguments,
        ]
        done = subprocess.run(
            command, stdin=source.stdout if source else None, capture_output=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"ctr {' '.join(arguments)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def close(self) -> None:
        """End everything in its namespaces, and remove its folder and its control groups."""
        self._guarded.close()
        clear_groups()


def make_groups() -> None:
    """Make the group of the node's pods, in the one hierarchy of cgroup v2 or in each of v1."""
    for hierarchy in _hierarchies():
        group = hierarchy / GROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group of v1, and then nothing may run in it
            if (hierarchy / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((hierarchy / name).read_text())


def clear_groups() -> None:
    """Remove what is left of it, which holds no process any more."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / GROUP, topdown=False):
            with contextlib.suppress(OSError):  # a last process of it is still ending; the next run clears it
                Path(folder).rmdir()


def _hierarchies() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [found for found in root.iterdir() if found.is_dir() and not found.is_symlink() and found.name != "unified"]
