"""A TCP proxy between a client and a server, whose network is as bad as a test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Network:
    """What happens to bytes on their way; may be changed at any time.

    Attributes
    ----------
    delay
        Seconds before each lot of bytes goes on, in either direction.
    lot
        Most bytes that go on at a time.
    stalled
        Numbers of the connections, counted from 0, on which nothing goes on; they stay open.
    stall_after, stall_after_sent
        Bytes after which a connection, by its number, stalls: brought to the client, or sent by it.
    """

    port: int
    delay: float = 0.0
    lot: int = 65536
    stalled: set[int] = field(default_factory=set)
    stall_after: dict[int, int] = field(default_factory=dict)
    stall_after_sent: dict[int, int] = field(default_factory=dict)
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket, target: int) -> None:
        with listener:
            while not self.ended.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", target))
                except OSError:  # the server is down
                    client.close()
                    continue
                number, self.connections = self.connections, self.connections + 1
                for source, sink, back in ((client, server, False), (server, client, True)):
                    arguments = (source, sink, number, back)
                    threading.Thread(target=self.pump, args=arguments, daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, number: int, back: bool) -> None:
        limits = self.stall_after if back else self.stall_after_sent
        passed = 0
        source.settimeout(0.1)
        with source, sink, contextlib.suppress(OSError):
            while not self.ended.is_set():
                try:
                    lot = source.recv(self.lot)
                except TimeoutError:
                    continue
                if not lot:
                    return
                passed += len(lot)
                if passed > limits.get(number, passed):
                    self.stalled.add(number)
                while number in self.stalled and not self.ended.is_set():
                    time.sleep(0.05)
                time.sleep(self.delay)
                sink.sendall(lot)


@contextlib.contextmanager
def proxy(target: int) -> Iterator[Network]:
    """Open a proxy to a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    network = Network(listener.getsockname()[1])
    thread = threading.Thread(target=network.serve, args=(listener, target), daemon=True)
    thread.start()
    try:
        yield network
    finally:
        network.ended.set()
        thread.join()
