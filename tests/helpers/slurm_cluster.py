"""A throw-away SLURM on this machine alone: one controller and one or more nodes, each with a host name of its own.

It needs root, Debian's packages slurm-wlm and munge, and util-linux' unshare; nothing of it listens beyond 127.0.0.1.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

#: What the inner step of Snakemake's plugin reads: it drops SLURM_CONF before it calls srun.
SYSTEM_FILE = Path("/etc/slurm/slurm.conf")

#: Any character device passes for a GPU: SLURM then sets CUDA_VISIBLE_DEVICES and counts.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")

CONFIGURATION = """\
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=5
MpiDefault=none
PropagateResourceLimits=NONE
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=02:00:00 DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes=ALL MaxTime=02:00:00 DefMemPerCPU=500 State=UP
"""


def what_is_missing() -> str | None:
    """Return why no cluster can be had here, or None where one can."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    absent = [
        name for name in ("slurmctld", "slurmd", "munged", "srun", "unshare") if not shutil.which(name, path=path)
    ]
    if absent:
        return f"{', '.join(absent)} not found: apt install slurm-wlm munge"
    if os.geteuid() != 0:
        return "only root can start a SLURM here"
    if SYSTEM_FILE.exists() and not SYSTEM_FILE.is_symlink():
        return f"{SYSTEM_FILE} belongs to a real SLURM"
    return None


class SlurmCluster:
    """SLURM that runs inside a `with` block.

    Attributes:
        folder: its state and logs; short, since a socket's path may have 107 characters.
        nodes: names of its nodes; a job sees its node's name as its host's.
        cpus, memory_mb, gpus: what each node has; CPUs may be more than the machine's.
        environment: what a process that talks to it needs.
    """

    def __init__(self, folder: Path, nodes: int = 1, cpus: int = 4, memory_mb: int = 12_000, gpus: int = 2):
        self.folder, self.cpus, self.memory_mb, self.gpus = folder, cpus, memory_mb, gpus
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self.environment = os.environ | {
            "PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]),
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "SlurmCluster":
        try:
            self._configure()
            self._start_munge()
            self._daemon("slurmctld", "-D", "-f", self.folder / "slurm.conf")
            for node in self.nodes:
                # a node is told by its host's name, which has to lead to this machine
                own = f"hostname {node} && mount --bind {self.folder}/hosts /etc/hosts"
                run = f'exec slurmd -D -f "$SLURM_CONF" -N {node}'
                self._daemon("unshare", "--uts", "--mount", "bash", "-c", f"{own} && {run}")
            self._wait(lambda: self.call("sinfo", "-h", "-N", "-o", "%T").count("idle") >= len(self.nodes))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.call("scancel", "--me", "--signal=KILL", "--full")
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        if SYSTEM_FILE.is_symlink() and SYSTEM_FILE.readlink() == self.folder / "slurm.conf":
            SYSTEM_FILE.unlink()

    def call(self, *command: str) -> str:
        """Return what a command of SLURM's says; "" where it fails."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def jobs(self) -> list[tuple[str, str, str]]:
        """Return (number, state, partition) of the jobs that SLURM knows."""
        lines = self.call("squeue", "-h", "--states=all", "-o", "%i %T %P").splitlines()
        return [tuple(line.split()) for line in lines]  # pyrefly: ignore

    def logs(self) -> str:
        """Return the ends of the daemons' logs, for the message of a test that fails."""
        return "\n".join(f"{file.name}: {file.read_text()[-1500:]}" for file in self.folder.glob("*.log"))

    def _configure(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        ports = _free_ports(len(self.nodes) + 1)
        lines = []
        for node, port in zip(self.nodes, ports[1:], strict=True):
            (self.folder / f"spool-{node}").mkdir()
            lines.append(
                f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus}"
                f" RealMemory={self.memory_mb} Gres=gpu:{self.gpus} State=UNKNOWN"
            )
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(host=host, folder=self.folder, port=ports[0], nodes="\n".join(lines))
        (self.folder / "slurm.conf").write_text(text)
        known = Path("/etc/hosts").read_text()
        (self.folder / "hosts").write_text(f"{known.rstrip()}\n127.0.0.1 {' '.join(self.nodes)}\n")
        gpus = [f"NodeName={node} Name=gpu File={file}" for node in self.nodes for file in DEVICES[: self.gpus]]
        (self.folder / "gres.conf").write_text("\n".join(gpus) + "\n")
        SYSTEM_FILE.parent.mkdir(exist_ok=True)
        SYSTEM_FILE.unlink(missing_ok=True)
        SYSTEM_FILE.symlink_to(self.folder / "slurm.conf")

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
        files |= {"seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._daemon("munged", "--force", "--foreground", *options)
        self._wait((self.folder / "munge.socket").exists)

    def _daemon(self, *command: str | Path) -> None:
        with open(self.folder / "daemons.log", "a") as log:
            self._daemons.append(
                subprocess.Popen(
                    [str(word) for word in command],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _wait(self, ready, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"SLURM does not start:\n{self.logs()}")
            time.sleep(0.2)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
