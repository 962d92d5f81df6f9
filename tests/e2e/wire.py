"""wire.py - the other end of an interface's cable: frames to and from QEMU, one datagram each.

Wire(path) is a host at 192.0.2.1 on that cable: it answers ARP, and DHCP once .dhcp is set, and pings.
"""
import os
import random
import socket
import struct
import threading
import time

HOST, PEER = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 77))
MAC, ALL = bytes.fromhex("020000000001"), b"\xff" * 6


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(protocol, source, target, payload, **odd):
    head = struct.pack("!BBHHHBBH", odd.get("version", 0x45), 0, odd.get("length", 20 + len(payload)), 7,
                       odd.get("fragment", 0), 64, protocol, 0) + source + target
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


class Wire:
    def __init__(self, folder):
        self.here, self.there = os.path.join(folder, "wire-h"), os.path.join(folder, "wire-q")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.here)
        self.socket.settimeout(0.2)
        self.peer = None       # its MAC, once a frame has come
        self.dhcp = False      # answer?
        self.asked, self.echoes = 0, []
        self.open = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def words(self, model):
        """QEMU's words for an interface at the end of this wire."""
        options = (f"dgram,id=wire,local.type=unix,local.path={self.there},"
                   f"remote.type=unix,remote.path={self.here}")
        return ["--qemu=-netdev", f"--qemu={options}", "--qemu=-device", f"--qemu={model},netdev=wire"]

    def close(self):
        self.open = False
        self.thread.join()
        self.socket.close()

    def send(self, target, kind, payload):
        frame = target + MAC + struct.pack("!H", kind) + payload
        try:
            self.socket.sendto(frame.ljust(60, b"\0"), self.there)
            return True
        except (OSError, TimeoutError):
            return False

    def _run(self):
        while self.open:
            try:
                frame = self.socket.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            self.peer = frame[6:12]
            kind = struct.unpack("!H", frame[12:14])[0]
            if kind == 0x0806 and frame[20:22] == b"\0\1" and frame[38:42] == HOST:
                self.send(self.peer, 0x0806, frame[14:20] + b"\0\2" + MAC + HOST + frame[22:32])
            elif kind == 0x0800 and frame[23] == 17 and frame[36:38] == b"\0\x43":
                self.answer_dhcp(frame[42:])
            elif kind == 0x0800 and frame[23] == 1 and frame[34] == 0:
                self.echoes.append(frame[40:42])

    def answer_dhcp(self, asked):
        self.asked += 1
        options, kind = asked[240:], 0
        while options and options[0] != 255:
            if options[0] == 53:
                kind = options[2]
            options = options[2 + options[1]:] if options[0] else options[1:]
        if not self.dhcp or kind not in (1, 3):
            return
        said = b"\x35\1" + bytes((2 if kind == 1 else 5,)) + b"\x36\4" + HOST + b"\x33\4" + struct.pack("!I", 3600) + \
            b"\1\4\xff\xff\xff\0" + b"\3\4" + HOST + b"\xff"
        body = b"\2\1\6\0" + asked[4:8] + b"\0" * 8 + PEER + HOST + b"\0" * 4 + asked[28:44] + b"\0" * 192 + \
            b"\x63\x82\x53\x63" + said
        datagram = struct.pack("!HHHH", 67, 68, 8 + len(body), 0) + body
        for _ in range(2):  # each answer comes twice
            self.send(ALL, 0x0800, ipv4(17, HOST, b"\xff" * 4, datagram))

    def ping(self, number, seconds=10):
        """Whether an echo request has its answer."""
        body = struct.pack("!BBHHH", 8, 0, 0, 99, number) + b"abcdefgh"
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        self.send(self.peer, 0x0800, ipv4(1, HOST, PEER, body))
        until = time.monotonic() + seconds
        while struct.pack("!H", number) not in self.echoes and time.monotonic() < until:
            time.sleep(0.05)
        return struct.pack("!H", number) in self.echoes

    def flood(self, seconds, seed=1):
        """Frames of all kinds of nonsense as fast as they are taken; how many."""
        dice, sent, until = random.Random(seed), 0, time.monotonic() + seconds
        while time.monotonic() < until:
            noise = dice.randbytes(dice.choice((1, 20, 60, 400, 1480)))
            kind, payload = dice.choice((
                (0x0800, noise), (0x86dd, noise), (0x0806, noise), (dice.randrange(65536), noise),
                (0x0800, ipv4(dice.choice((1, 6, 17, 2)), HOST, PEER, noise)),
                (0x0800, ipv4(17, HOST, PEER, noise, fragment=dice.choice((0x2000, 0x2001, 0x20ff, 0x1fff)))),
                (0x0800, ipv4(6, HOST, PEER, noise, length=dice.randrange(65536))),
                (0x86dd, struct.pack("!IHBB", 6 << 28, len(noise), dice.choice((0, 43, 44, 58, 60)), 255) +
                 dice.randbytes(16) + b"\xff\2" + b"\0" * 13 + b"\1" + noise)))
            sent += self.send(dice.choice((self.peer, ALL, b"\x33\x33\0\0\0\1")), kind, payload[:1500])
        return sent
