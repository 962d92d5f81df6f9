"""net_guests: Debian's stock kernels on one switch, two of them trust domains: echoes, a file by TCP from one
to the other with its digest, and to the outside by the uplink, where a server of this machine stands. One
boot in Bochs of some minutes: part of test_net_guests with TAIN_LONG=1.
"""
import hashlib
import http.server
import os
import random
import re
import threading

from e2e import ROOT, boot, check, write

GUESTS = os.path.join(ROOT, "build", "guests")
FILES = [(os.path.join(GUESTS, "debian13-vmlinuz"), r"\tain\vmlinuz"),
         (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd.gz")]
KINDS = {"one": "td", "two": "td", "three": "vm"}  # 10.9.0.1 and so on
MIB = 1 << 20
WEB = random.Random(8).randbytes(MIB)


class Server(http.server.BaseHTTPRequestHandler):
    """One file, and what clients ask."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(WEB)))
        self.end_headers()
        self.wfile.write(WEB)

    def log_message(self, *_):
        pass


def guest(name, kind):
    """Its section."""
    td = "attributes = debug, sept-ve-disable\n" if kind == "td" else ""
    return (f"[{kind} {name}]\nkernel = \\tain\\vmlinuz\ninitrd = \\tain\\initrd.gz\nmemory = 256M\nvcpus = 1\n"
            f"cmdline = console=ttyS0 panic=-1 quiet\nnetwork = lan\n{td}")


def does(name, line, number, seconds=60):
    """Commands: the shell of @name does @line, to its end."""
    return [f'type {name} "{line}; echo did-$((100 + {number}))"', f"expect {name} did-{100 + number} {seconds}"]


def commands(web):
    """To the shells, then all that is to be seen."""
    todo = [f"start {name}" for name in KINDS]
    todo += [command for name in KINDS for command in (f'expect {name} "init: up" 600', f'expect {name} "/ # " 60')]
    for number, name in enumerate(KINDS, 1):
        todo += does(name, f"ip link set eth0 up && udhcpc -q -n -s /bin/lease -i eth0 2>&1 | grep lease: "
                     f"; ip addr add 10.9.0.{number}/24 dev eth0", number, 120)
    todo += does("one", "ping -c 5 -s 1000 10.9.0.2", 10)
    todo += does("three", "ping -c 5 -s 1000 10.9.0.1", 11)
    todo += does("two", "mkdir /www && dd if=/dev/urandom of=/www/f bs=64k count=16 2>/dev/null && sha256sum /www/f "
                 "&& httpd -p 80 -h /www", 12)
    todo += does("one", "wget -q -O - http://10.9.0.2/f | sha256sum", 13, 300)
    todo += does("three", "wget -q -O - http://10.9.0.2/f | sha256sum", 14, 300)
    todo += does("one", f"wget -q -O - http://10.0.2.2:{web}/f | sha256sum", 15, 300)
    todo += does("three", "ping -c 3 10.0.2.2", 16)
    todo += ["uses", "net"] + [f"stats {name}" for name in KINDS]
    return todo + [f'type {name} "poweroff -f"' for name in KINDS] + [f"wait {name} 120" for name in KINDS]


def run():
    """Boot, bring the cards up, talk."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    config = "[tain]\nnet = dhcp\nuplink = lan\nscript = \\tain\\talk.txt\n" + "".join(guest(*each) for each in KINDS.items())
    script = write("talk.txt", "\n".join(commands(web.server_port)) + "\n")
    b = boot(cpus=2, memory=1280, config=config, files=FILES + [(script, r"\tain\talk.txt")], timeout=1500,
             extra=["--nic", "e1000"])
    web.shutdown()
    check("all of it came", b.status == 0, b)
    for number, name in enumerate(KINDS, 1):
        check(f"{name} has an address from outside", b.has(rf"^{name}\| .*lease: 10\.0\.2\.\d+ by 10\.0\.2\.2"), b)
        check(f"{name} sent under its own address only", re.search(r"^frames forged +0$", b.output_of(f"stats {name}"),
                                                                  re.M), b.output_of(f"stats {name}")[-800:])
    for name, count in (("one", 5), ("three", 5), ("three", 3)):
        check(f"no echo of {name}'s {count} is lost",
              b.has(rf"^{name}\| .*{count} packets transmitted, {count} packets received, 0% packet loss"), b)
    digest = re.search(r"^two\| .*?([0-9a-f]{64})  /www/f", b.text, re.M)
    for name in ("one", "three"):
        check(f"a MiB from a TD to {name}, whole", digest and b.has(rf"^{name}\| .*{digest[1]}  -"), b)
    check("a MiB from outside to a TD, whole", b.has(rf"^one\| .*{hashlib.sha256(WEB).hexdigest()}  -"), b)
