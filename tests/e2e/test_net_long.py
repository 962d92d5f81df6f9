#!/usr/bin/python3
"""A long file by HTTP, verified by its hash, while a trust domain keeps the boot CPU busy. With TAIN_LONG 100 MiB."""
import hashlib
import http.server
import os
import random
import re
import sys
import threading

import e2e
from e2e import boot, check

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
LONG = bool(os.environ.get("TAIN_LONG"))
MIB = 100 if LONG else 3
FILE = random.Random(8).randbytes(MIB << 20)


class Server(http.server.BaseHTTPRequestHandler):
    """The file."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()
        self.wfile.write(FILE)

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(FILE).hexdigest()
    fetch = f"fetch http://10.0.2.2:{server.server_port}/file sha256={digest}"
    b = boot(config="[tain]\nnet = dhcp\nstart = bad_loop\n[td bad_loop]\nfirmware = \\tain\\bad_loop.fd\nmemory = 16M\n",
             commands=["dhcp", fetch, "guests", "net --json", "stop bad_loop"], memory=1024, cpus=1,
             timeout=3000 if LONG else 400, files=[(os.path.join(GUESTS, "bad_loop.fd"), r"\tain\bad_loop.fd")],
             extra=["--nic", "e1000"])
    server.shutdown()
    check(f"{MIB} MiB by HTTP on a CPU that a trust domain keeps busy, as the hash says",
          digest in b.output_of(fetch) and str(MIB << 20) in b.output_of(fetch), b)
    check("the trust domain runs meanwhile", re.search(r"^bad_loop\b.*\brunning\b", b.output_of("guests"), re.M), b)
    check("and the run ends as it should", b.status == 0, b)
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
