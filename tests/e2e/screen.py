"""screen.py - QEMU's screen and keyboard for the tests: pictures read back as text, keys pressed.

Talks QMP on the socket that tools/run --qmp names. Glyphs are those of drivers/font.c.
"""
import json
import os
import re
import socket
import time

import e2e

KEYS = {" ": "spc", "\n": "ret", "-": "minus", ".": "dot", "/": "slash", "\\": "backslash"}
WIDTH, HEIGHT, TOP = 8, 16, 1


def glyphs():
    """{13 rows of bits: character} from the C table."""
    with open(os.path.join(e2e.ROOT, "drivers", "font.c"), encoding="ascii") as source:
        rows = re.findall(r"^\t\{ ((?:0x[0-9a-f]{2}, ){12}0x[0-9a-f]{2}) \}", source.read(), re.M)
    return {bytes(int(v, 16) for v in row.split(", ")): chr(32 + i) for i, row in enumerate(rows)}


class Qmp:
    """The control connection of one QEMU."""

    def __init__(self, path, patience=120):
        self.picture = path + ".ppm"
        until = time.monotonic() + patience
        while True:
            try:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(path)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self.call("qmp_capabilities")

    def call(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                return {}
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer

    def press(self, text, wait=0.05):
        """Type @text on the machine's keyboard."""
        for char in text:
            keys = ["shift", char.lower()] if char.isupper() else [KEYS.get(char, char)]
            self.call("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
            time.sleep(wait)

    def lines(self):
        """The text on the screen, line by line; what is no glyph is '?'."""
        self.call("screendump", filename=self.picture)
        with open(self.picture, "rb") as source:
            data = source.read()
        head = re.match(rb"P6\n(\d+) (\d+)\n255\n", data)
        width, height, pixels = int(head[1]), int(head[2]), data[head.end():]
        lit = bytes(1 if any(pixels[i:i + 3]) else 0 for i in range(0, len(pixels), 3))
        known, out = glyphs(), []
        for top in range(0, height - HEIGHT + 1, HEIGHT):
            line = ""
            for left in range(0, width - WIDTH + 1, WIDTH):
                rows = []
                for y in range(13):
                    at = (top + TOP + y) * width + left
                    rows.append(int("".join(map(str, lit[at:at + WIDTH])), 2))
                line += known.get(bytes(rows), "?")
            out.append(line.rstrip())
        return out

    def wait_text(self, pattern, seconds=120):
        """Whether @pattern comes to be on the screen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if re.search(pattern, "\n".join(self.lines()), re.M):
                return True
            time.sleep(0.5)
        return False
