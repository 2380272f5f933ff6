"""gRPC by the bytes of HTTP/2, for tests that send what no library does."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import hpack

from cc.server.serving import Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INFER = "/inference.GRPCInferenceService/ModelInfer"


def framed(body: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(body)) + body


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def headers(path: str = INFER, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "h"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *more,
    ]


class Raw:
    """A connection that sends what it likes, and reads by the rules."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.grpc_port), timeout=60)
        self.stream = self.socket.makefile("rb")
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def greet(self, *settings: tuple[int, int]) -> None:
        payload = b"".join(struct.pack(">HI", *setting) for setting in settings)
        self.send(PREFACE + frame(SETTINGS, 0, 0, payload))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def block(self, fields: list[tuple[str, str]]) -> bytes:
        return bytes(self.encoder.encode(fields))

    def ask(self, stream: int, path: str = INFER, body: bytes | None = None) -> None:
        self.send(frame(HEADERS, END_HEADERS, stream, self.block(headers(path))))
        if body is not None:
            self.send(frame(DATA, END_STREAM, stream, framed(body)))

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each, until the server closes."""
        while True:
            with contextlib.suppress(ConnectionResetError):
                head = self.stream.read(9)
                if len(head) == 9:
                    size = int.from_bytes(head[:3], "big")
                    number = int.from_bytes(head[5:], "big")
                    yield head[3], head[4], number, self.stream.read(size)
                    continue
            return

    def upload(self, stream: int, body: bytes) -> None:
        """Sends a body, as the server's windows allow."""
        windows = {0: 65535, stream: 65535}
        at = 0
        while at < len(body):
            size = min(16384, len(body) - at, *windows.values())
            if size > 0:
                part = body[at : at + size]
                at += size
                self.send(frame(DATA, END_STREAM if at == len(body) else 0, stream, part))
                windows = {number: left - size for number, left in windows.items()}
                continue
            kind, flags, number, payload = next(self.frames())
            if kind == SETTINGS and not flags & ACK:
                # From its answer on calls have the window that the server's settings tell of.
                self.send(frame(SETTINGS, ACK, 0))
                windows[stream] += (1 << 20) - 65535
            if kind == WINDOW_UPDATE:
                windows[number] += int.from_bytes(payload, "big")

    def status_of(self, stream: int) -> dict[str, str]:
        """The trailers of a call."""
        found: dict[str, str] = {}
        for kind, flags, number, payload in self.frames():
            if kind == HEADERS:
                fields = dict(self.decoder.decode(payload))
                if number == stream:
                    found |= fields
                    if flags & END_STREAM:
                        return found
        raise AssertionError(f"the server closed before the end: {found}")

    def answer_to(self, stream: int) -> tuple[dict[str, str], bytes]:
        """All headers of a call, and its messages with what is before them."""
        found: dict[str, str] = {}
        body = b""
        for kind, flags, number, payload in self.frames():
            if kind == HEADERS:
                fields = dict(self.decoder.decode(payload))
                found |= fields if number == stream else {}
            if kind == DATA and number == stream:
                body += payload
            if number == stream and flags & END_STREAM:
                break
        return found, body

    def ends(self) -> list[int]:
        """Kinds of what still comes, until the server closes."""
        return [kind for kind, *_ in self.frames()]
