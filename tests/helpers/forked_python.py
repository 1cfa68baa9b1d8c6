"""A `python` whose commands are forked from a process that has imported what they need of others: seconds of each.

Of this project nothing is imported before: which copy of it a command runs is said by its PYTHONPATH.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

IMPORTED = (
    *("snakemake.cli", "snakemake.executors.dryrun", "hydra", "omegaconf", "pydantic", "pandas", "xarray", "h5netcdf"),
    *("scipy.signal", "scipy.stats", "scipy.optimize", "sklearn.linear_model", "sklearn.decomposition"),
    *("sklearn.cluster", "sklearn.manifold", "sklearn.model_selection"),
    *("matplotlib.pyplot", "numba", "torch", "pytorch_lightning"),
)
CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(9) or {killed}))
"""
KILLED = 128 + signal.SIGKILL


@cache
def forked_python() -> Path:
    """Return the program, which works as long as this process; a folder has nothing else, for PATH."""
    folder = Path(tempfile.mkdtemp(prefix="python-"))
    (folder / "bin").mkdir()
    client, address = folder / "bin/python", str(folder / "socket")
    client.write_text(CLIENT.format(python=sys.executable, address=address, killed=KILLED))
    client.chmod(0o755)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}  # the end of the former is the end of the server
    server = subprocess.Popen([sys.executable, "-I", __file__, address], **pipes)
    atexit.register(shutil.rmtree, folder)
    assert server.stdout.readline() == b"ready\n"
    return client


def serve(address: str) -> None:
    """Run what is asked for at an address, each in a process of its own, for as long as the one that asks lives."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        for name in IMPORTED:
            importlib.import_module(name)
        gc.freeze()
        signal.signal(signal.SIGCHLD, _reap)
        os.write(1, b"ready\n")
        os.dup2(2, 1)
        while 0 not in select.select([0, listener], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _work(connection)
            connection.close()


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _work(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as said:
        arguments, folder, environment = json.load(said)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # where the one that waits is killed, this dies, too: of SIGIO, which says that the connection has ended
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)
    status = _run(arguments)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags)
    connection.sendall(str(status).encode())
    os._exit(0)


def _run(arguments: list[str]) -> int:
    """Do what `python ARGUMENTS` does; return its status."""
    sys.path[:0] = ["", *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        match arguments:
            case ["-m", module, *rest]:
                sys.argv = [module, *rest]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            case ["-c", code, *rest]:
                sys.argv = ["-c", *rest]
                exec(code, {"__name__": "__main__"})
            case [script, *rest]:
                sys.argv, sys.path[0] = [script, *rest], os.path.dirname(os.path.abspath(script))
                runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
