"""A real cable between a browser and the server, so that it can be cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Cable:
    """Forwards connections; cut, it has none and takes none, like a server that is down."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self.target = (address.hostname, address.port)
        self.listener = self._listen(0)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{address.hostname}:{self.port}"
        self.open: set[socket.socket] = set()
        self._serve()

    def cut(self) -> None:
        self._shut(self.listener)
        for end in list(self.open):
            self._shut(end)

    def mend(self) -> None:
        self.listener = self._listen(self.port)
        self._serve()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=64)

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                self.open |= {near, far}
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            self._shut(end)
            self.open.discard(end)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cable(target: str) -> Iterator[Cable]:
    laid = Cable(target)
    try:
        yield laid
    finally:
        laid.cut()
