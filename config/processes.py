"""The supervised processes: starting them, asking after them, and leaving none behind."""

import subprocess
import sys
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from config.embedded import NotStarted

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "deploy" / "supervisord.conf"
SLOWEST_STOP = 75.0  # seconds; the training worker has 60 to write its checkpoint
DOWN = {"STOPPED", "EXITED", "FATAL"}


class Supervisor:
    """supervisord, run as a child that Ctrl-C in the terminal does not reach."""

    def __init__(self, sockets: Path) -> None:
        self.socket = sockets / "supervisor.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def rpc(self) -> Any:
        # The address is ignored: the transport speaks through the socket.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def answers(self) -> bool:
        try:
            return bool(self.rpc.getPID())
        except (OSError, xmlrpc.client.Error):
            return False

    def begin(self) -> None:
        if self.answers():  # an earlier run was killed and could not clean up
            self.stop()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", str(CONFIGURATION)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted("The supervisor did not start; see var/logs/supervisord.log.")
            time.sleep(0.1)

    def start(self, *programs: str) -> None:
        for program in programs:
            try:
                self.rpc.startProcess(program, False)
            except xmlrpc.client.Fault as fault:  # the application may have started a vLLM before
                if fault.faultCode != Faults.ALREADY_STARTED:
                    raise

    def states(self) -> dict[str, str]:
        """What each program does: RUNNING, BACKOFF, FATAL, ..."""
        return {info["name"]: info["statename"] for info in self.rpc.getAllProcessInfo()}

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop the programs all at once, then Valkey, then the supervisor, then any straggler."""
        if not self.answers():
            return
        supervisor = psutil.Process(self.rpc.getPID())
        # A killed worker may leave its training process, which only this list still knows.
        family = supervisor.children(recursive=True)
        with suppress(OSError, xmlrpc.client.Error):
            self._stop_programs()
            with suppress(xmlrpc.client.Fault):  # somebody else's Valkey, or none
                self.rpc.stopProcess("valkey", True)
            self.rpc.shutdown()
        try:
            supervisor.wait(timeout=30)
        except psutil.TimeoutExpired:
            supervisor.kill()
        except psutil.NoSuchProcess:
            pass
        if self.process is not None:
            self.process.wait()
        for straggler in family:
            with suppress(psutil.NoSuchProcess):
                straggler.kill()
        psutil.wait_procs(family, timeout=5)

    def _stop_programs(self) -> None:
        """All but Valkey, which takes what they still have to say."""
        for program in self._up():
            with suppress(xmlrpc.client.Fault):  # it ended meanwhile
                self.rpc.stopProcess(program, False)
        deadline = time.monotonic() + SLOWEST_STOP
        while time.monotonic() < deadline and self._up():
            time.sleep(0.1)

    def _up(self) -> list[str]:
        states = self.states().items()
        return [name for name, state in states if state not in DOWN and name != "valkey"]
