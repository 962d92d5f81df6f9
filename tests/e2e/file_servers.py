"""file_servers.py - servers of files on this machine's loopback: HTTP and TFTP, each on a port of its own.

Both serve a dictionary of paths and bytes. Who gets no answer at once may ask again: how often is no measure.
"""
import http.server
import socket
import struct
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Http(http.server.ThreadingHTTPServer):
    """files: "/path" to bytes. at: the URL under which a machine in user mode's network sees it."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.at = f"http://10.0.2.2:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Tftp:
    """RFC 1350, with blksize (2348) and tsize (2349) where they are asked for."""

    def __init__(self, files):
        self.files = files
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.at = f"tftp://10.0.2.2:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            request, peer = self.socket.recvfrom(2048)
            words = request[2:].split(b"\0")
            if request[:2] != b"\0\1" or len(words) < 3:
                continue
            name = words[0].decode()
            options = dict(zip((w.lower() for w in words[2::2]), words[3::2]))
            threading.Thread(target=self._send, args=(self.files.get(name), options, peer), daemon=True).start()

    @staticmethod
    def _send(content, options, peer):
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.settimeout(1)
        port.bind(("127.0.0.1", 0))
        if content is None:
            port.sendto(b"\0\5\0\1no such file\0", peer)
            return
        size = min(1400, int(options.get(b"blksize", b"512")))
        answer = b"".join(name + b"\0" + value + b"\0" for name, value in (
            (b"blksize", b"%d" % size), (b"tsize", b"%d" % len(content))) if name in options)
        packets = [(0, b"\0\6" + answer)] if answer else []
        for i in range(len(content) // size + 1):
            number = i + 1 & 0xffff
            packets.append((number, struct.pack("!HH", 3, number) + content[i * size:(i + 1) * size]))
        for number, packet in packets:
            for _ in range(60):
                port.sendto(packet, peer)
                try:
                    while port.recv(600)[:4] != struct.pack("!HH", 4, number):
                        pass
                    break
                except TimeoutError:
                    continue
            else:
                return
