"""Runs a user's handler behind HTTP/1.1 on a unix socket: a first, thin version that serves payload mode.

Started as `<python> asya_runtime.py` beside a sidecar. Must not import anything outside the standard library.
"""

import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback


def fail(status, sentence):
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
    os._exit(status)


def load(path):
    module_name, _, name = path.rpartition(".")
    sys.path.insert(0, os.getcwd())
    try:
        try:
            found = getattr(importlib.import_module(module_name), name)
        except ModuleNotFoundError:
            module_name, _, class_name = module_name.rpartition(".")
            if not module_name:
                raise
            found = getattr(getattr(importlib.import_module(module_name), class_name)(), name)
    except BaseException as error:
        traceback.print_exc()
        fail(3, "asya-runtime: cannot load %s: %s: %s" % (path, type(error).__name__, error))
    return found


def frames(handler, body):
    envelope = json.loads(body)
    route = envelope["route"]
    if "prev" in route:
        after = {"prev": route["prev"] + [route["curr"]], "curr": "", "next": route["next"][1:]}
        after["curr"] = route["next"][0] if route["next"] else ""
    else:
        after = {"actors": route["actors"], "current": route.get("current", 0) + 1}
    result = handler(envelope["payload"])
    items = [] if result is None else list(result) if isinstance(result, (list, tuple)) else [result]
    return [{"payload": item, "route": after, "headers": envelope.get("headers") or {}} for item in items]


class Server:
    def __init__(self, handler, where):
        self.handler, self.stop = handler, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(where)
        os.chmod(where, 0o666)
        self.listener.listen(64)
        self.open = {}

    def signalled(self, number, frame):
        if self.stop:
            os._exit(128 + number)
        self.stop = time.monotonic() + 2

    def answer(self, method, path, body):
        if path == "/healthz":
            state = "draining" if self.stop else "ready"
            return 503 if self.stop else 200, {"status": state, "busy": False}
        try:
            found = frames(self.handler, body)
        except BaseException as error:
            details = {"message": str(error), "type": type(error).__name__, "mro": [c.__name__ for c in type(error).__mro__[1:-2]],
                       "traceback": traceback.format_exc()}
            return 500, {"error": "processing_error", "details": details}
        return (200, {"frames": found}) if found else (204, None)

    def serve_one(self, connection):
        data = self.open[connection]
        piece = connection.recv(65536)
        if not piece:
            connection.close()
            del self.open[connection]
            return
        data += piece
        head, found, rest = bytes(data).partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
        if len(rest) < length:
            return
        method, path, _ = lines[0].split(" ")
        self.open[connection] = bytearray(rest[length:])
        status, document = self.answer(method, path, rest[:length])
        text = b"" if document is None else json.dumps(document).encode()
        size = b"" if document is None else b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(text)
        close = b"Connection: close\r\n" if self.stop else b""
        connection.sendall(b"HTTP/1.1 %d X\r\n%s%s\r\n%s" % (status, size, close, text))

    def run(self):
        while not self.stop or time.monotonic() < self.stop:
            ready, _, _ = select.select([self.listener] + list(self.open), [], [], 0.5)
            for one in ready:
                if one is self.listener:
                    self.open[one.accept()[0]] = bytearray()
                else:
                    self.serve_one(one)


def main():
    path = os.environ.get("ASYA_HANDLER", "")
    if "." not in path:
        fail(2, "asya-runtime: ASYA_HANDLER is %r, expected module.function or module.Class.method" % path)
    folder = os.environ.get("ASYA_SOCKET_DIR") or "/var/run/asya"
    where = os.path.join(folder, os.environ.get("ASYA_SOCKET_NAME") or "asya-runtime.sock")
    ready = os.path.join(folder, "runtime-ready")
    os.makedirs(folder, exist_ok=True)
    for old in (where, ready):
        if os.path.lexists(old):
            os.unlink(old)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    server = Server(load(path), where)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.signalled)
    with open(ready, "w") as file:
        file.write("ready")
    server.run()
    os.unlink(ready)
    os.unlink(where)


if __name__ == "__main__":
    main()
