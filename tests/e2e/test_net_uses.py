#!/usr/bin/python3
"""test_net_uses: what the network is used for, against real peers on this machine's loopback: pages read
by an HTTP client (and judged by promtool), the log received by a datagram socket,
files fetched by HTTP and TFTP, the console behind its secret, and gdb's packets.

One boot in QEMU with its user-mode network: the guest's 10.0.2.2 is this machine.
"""
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import socket
import threading
import time

import e2e
import net_tools
from net_tools import free_port

BIG = 8 << 20
SECRET = "correct horse battery"


class Files(http.server.BaseHTTPRequestHandler):
    """A web server with a few files, one of which never ends properly."""
    content = {}

    def do_GET(self):
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"only this")
        elif self.path in self.content:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.content[self.path])))
            self.end_headers()
            self.wfile.write(self.content[self.path])
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


class Six(http.server.ThreadingHTTPServer):
    """The same by IPv6, where this machine has it."""
    address_family = socket.AF_INET6

    @staticmethod
    def has():
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
            return True
        except OSError:
            return False


def page(port, path, method="GET"):
    """(status, type, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Content-Type"), body


class Console:
    """A connection to the console over TCP."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.text = ""

    def wait(self, word, seconds=60):
        """Whether @word comes; the text up to it is taken."""
        until = time.monotonic() + seconds
        while word not in self.text and time.monotonic() < until:
            self.socket.settimeout(max(0.1, until - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except OSError:
                break
            if not data:
                break
            self.text += data.decode("utf-8", "replace")
        found, _, rest = self.text.partition(word)
        got = word in self.text
        self.text = rest if got else self.text
        return found if got else None

    def line(self, text):
        self.socket.sendall(text.encode() + b"\n")


def check_pages(port):
    """The three pages, and what is none."""
    status, kind, text = page(port, "/metrics")
    e2e.check("metrics are served", status == 200 and kind.startswith("text/plain; version=0.0.4"), text[:300])
    e2e.check("metrics hold free pages", re.search(r"^tain_free_pages [1-9]\d+$", text, re.M), text[:2000])
    e2e.check("each sample stands once", len(samples := re.findall(r"^([a-z_]+(?:\{.*\})?) ", text, re.M))
              == len(set(samples)), sorted(s for s in samples if samples.count(s) > 1))
    good, said = net_tools.promtool(text)
    e2e.check("promtool finds nothing", good, said)
    status, kind, text = page(port, "/status")
    state = json.loads(text)
    e2e.check("the state is JSON", kind == "application/json" and state["cpus"] == 1 and
              state["machine"]["free_pages"] > 1000, text)
    e2e.check("the guest that was refused is in it", [g["name"] for g in state["guests"]] == ["far", "near"], text)
    status, kind, text = page(port, "/")
    e2e.check("people get a page", status == 200 and kind.startswith("text/html") and "<h1>Tain" in text, text)
    e2e.check("what is not there is 404", page(port, "/nothing")[0] == 404)
    e2e.check("nothing can be changed", page(port, "/", "POST")[0] == 405)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        e2e.check("nonsense is answered as such", raw.recv(100).startswith(b"HTTP/1.1 400 "))


def check_console(port):
    """Wrong secrets, then the right one."""
    con = Console(port)
    e2e.check("the console asks for the secret", con.wait("secret: ") is not None, con.text)
    con.line("wrong wrong wrong")
    began = time.monotonic()
    e2e.check("a wrong secret is refused", con.wait("wrong\nsecret: ") is not None, con.text)
    e2e.check("after a pause", time.monotonic() - began > 0.5)
    con.line(SECRET)
    e2e.check("the right one opens it", con.wait("tain> ") is not None, con.text)
    con.line("guests --json")
    said = con.wait("tain> ")
    e2e.check("commands run and answer", said is not None and json.loads(said)[0]["name"] == "far", said)
    con.line("help")
    e2e.check("long answers come whole", "poweroff" in (con.wait("tain> ") or ""))
    con.line("console far")
    e2e.check("the keyboard stays with the console", "error:" in (con.wait("tain> ") or ""))
    try:
        second = Console(port)
        e2e.check("a second session is refused", second.wait("secret: ", 10) is None)
    except OSError:
        e2e.check("a second session is refused", True)
    con.line("quit")
    e2e.check("quit ends it", con.socket.recv(10) == b"")


def packet_answered(port):
    """What gdb's stub says on a connection of its own; nothing while it still holds another's."""
    said = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as gdb:
        gdb.sendall(b"+$qSupported:xmlRegisters=i386#c1")
        while b"#" not in said and (data := gdb.recv(4096)):
            said += data
    return said


def check_gdb(port):
    """The stub answers, one connection at a time, also after one was cut."""
    for _ in range(2):
        until = time.monotonic() + 60
        while b"PacketSize=" not in (said := packet_answered(port)) and time.monotonic() < until:
            time.sleep(0.2)
        e2e.check("gdb's stub answers over TCP", b"PacketSize=" in said, said)


def check_fetch(live, web, tftp, image):
    """Files by both protocols, whole, wrong and missing."""
    digest = hashlib.sha256(image).hexdigest()
    at = f"http://10.0.2.2:{web}"
    e2e.check("8 MiB by HTTP", live.command(f"fetch {at}/big sha256={digest}", 240) and
              digest in live.text and str(BIG) in live.text, live.text[-1500:])
    e2e.check("a wrong hash refuses it", live.command(f"fetch {at}/big sha256={'0' * 64}", 240) and
              "error: its SHA-256 is not the one that was given" in live.text, live.text[-1500:])
    e2e.check("a file that is not there", live.command(f"fetch {at}/none") and
              "error: 404: the server has no such file" in live.text, live.text[-1500:])
    e2e.check("a file that ends too early", live.command(f"fetch {at}/cut") and
              "error: the connection ended in the middle" in live.text, live.text[-1500:])
    e2e.check("nobody listens", live.command(f"fetch http://10.0.2.2:{free_port()}/x") and
              "error: no connection: refused or no answer" in live.text, live.text[-1500:])
    small = hashlib.sha256(tftp).hexdigest()
    e2e.check("by TFTP", live.command(f"fetch tftp://10.0.2.2/file sha256={small}", 240) and
              small in live.text.rsplit("tain> fetch tftp", 1)[1], live.text[-1500:])
    if Six.has():
        six = Six(("::1", 0), Files)
        threading.Thread(target=six.serve_forever, daemon=True).start()
        e2e.check("by IPv6", live.command(f"fetch http://[fec0::2]:{six.server_port}/big sha256={digest}", 240) and
                  digest in live.text.rsplit("tain> fetch http://[fec0", 1)[1].partition("\n")[2], live.text[-1500:])
    e2e.check("TFTP of what is not there", live.command("fetch tftp://10.0.2.2/none") and
              "error: the server says error" in live.text, live.text[-1500:])


def main():
    image, small = os.urandom(BIG), os.urandom(700001)
    Files.content = {"/bad.cfg": b"[vm far]\nimage = http://h/x\n[tain]\nsecret = another battery\n",
                     "/big": image, "/kernel": b"no kernel at all" * 64}
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    folder = e2e.scratch("tftp")
    os.mkdir(folder)
    with open(os.path.join(folder, "file"), "wb") as out:
        out.write(small)
    log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    log.bind(("127.0.0.1", 0))
    port, console, gdb = (free_port() for _ in range(3))
    at = f"http://10.0.2.2:{web.server_port}"
    config = (f"[tain]\nnet = dhcp\nhttp = 80\nremote = 2323 from 10.0.2.0/24\nsecret = {SECRET}\n"
              f"syslog = 10.0.2.2:{log.getsockname()[1]}\nstart = far, near\n"
              f"gdb_net = 1234 from 10.0.2.0/24\nuplink = lan\nconfig = {at}/bad.cfg\nmodule = {at}/no-module\n"
              f"[vm far]\nkernel = {at}/kernel\n[vm near]\nkernel = {at}/missing\n")
    live = e2e.Live(machine="qemu", config=config,
                    extra=["--nic", "virtio-net", "--net", f"hostfwd=tcp:127.0.0.1:{port}-:80", "--net",
                           f"hostfwd=tcp:127.0.0.1:{console}-:2323", "--net",
                           f"hostfwd=tcp:127.0.0.1:{gdb}-:1234", "--net", f"tftp={folder}"])
    e2e.check("the boot waits for no file", live.wait(r"^tain: ready") and live.wait(r"^tain> \Z"), live.text)
    e2e.check("a file that is not there refuses its guest", live.wait(r"^tain: near: refused: 404", whole=True), live.text)
    e2e.check("a file that came was handed on", live.wait(r"fetch: far: .*", whole=True) and
              hashlib.sha256(Files.content["/kernel"]).hexdigest() in live.text, live.text)
    e2e.check("a configuration with a mistake changes nothing of the stick's", re.search(
        r"bad\.cfg:4: secret is not taken from the network", live.text) and
        re.search(r"bad\.cfg: 1 mistake: nothing of it is used: tain\.cfg stays in force$", live.text, re.M), live.text)
    e2e.check("nor does a module that is not there hold up the boot",
              re.search(r"error: module: \S+/no-module: 404", live.text), live.text)
    check_pages(port)
    check_console(console)
    check_gdb(gdb)
    check_fetch(live, web.server_port, small, image)
    e2e.check("its uses are counted", live.command("uses --json") and
              re.search(r'"what": "remote logins", "count": 1\b', live.text), live.text[-1500:])
    end = live.leave()
    e2e.check("the guest that could not be started counts", end.status == 1, end)
    log.settimeout(5)
    lines = []
    try:
        while True:
            lines.append(log.recv(2000).decode())
    except OSError:
        pass
    first = re.match(r"<\d+>1 - tain tain - - \[meta sequenceId=\"1\" sysUpTime=\"\d+\"\] ", lines[0]) if lines else None
    e2e.check("syslog begins with the first line of the log", first and end.text.find(lines[0][first.end():]) >= 0,
              lines[:3])
    numbers = [int(re.search(r'sequenceId="(\d+)"', line)[1]) for line in lines]
    e2e.check("no line is missing", numbers == list(range(1, len(lines) + 1)) and len(lines) > 10, numbers)
    e2e.check("warnings are marked as such", any(line.startswith("<132>1 ") and "wrong secret" in line
                                               for line in lines), lines[-5:])


if __name__ == "__main__":
    main()
    e2e.finish()
