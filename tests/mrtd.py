#!/usr/bin/python3
# mrtd.py - the MRTD of a firmware image, computed a second time: with Python's hashlib, sharing no
# code with the hypervisor, and compared with build/host/tain for each order, and with a known value.
#
# SPDX-License-Identifier: BSD-2-Clause
import hashlib
import os
import struct
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TAIN = os.path.join(TOP, "build/host/tain-asan")
OVMF = "/usr/share/ovmf/OVMF.fd"
HELLO = os.path.join(TOP, "build/guests/hello.fd")
# Debian 12's OVMF.fd (2022.11-6+deb12u2), each page added and then extended: as QEMU and Linux do.
OVMF_MRTD = ("4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057"
             "fb887fed0744d5631a212967fb231c47")

PAGE, CHUNK = 4096, 256
passed = failed = 0


def check(name, good, why=""):
    global passed, failed
    if good:
        passed += 1
        print("ok", name)
    else:
        failed += 1
        print("FAIL %s: %s" % (name, why))


def sections(image):
    """TDVF sections: (offset, raw, gpa, size, type, attributes)."""
    at = image.rfind(bytes.fromhex("f3f9eae98e16d544a8eb7f4d8738f6ae")) + 16
    signature, length, version, count = struct.unpack_from("<4sIII", image, at)
    assert signature == b"TDVF" and version == 1 and length == 16 + 32 * count
    return [struct.unpack_from("<IIQQII", image, at + 16 + 32 * i) for i in range(count)]


def record(name, gpa):
    return name.ljust(16, b"\0") + struct.pack("<Q", gpa) + bytes(104)


def steps(image, order):
    """The records in order: ("add", gpa) and ("extend", gpa, contents)."""
    runs = []
    for offset, raw, gpa, size, _, attributes in sections(image):
        if attributes & 2:
            continue
        data = image[offset:offset + raw].ljust(size, b"\0")
        adds = [("add", gpa + p, b"") for p in range(0, size, PAGE)]
        extends = [("extend", gpa + p, data[p:p + PAGE]) for p in range(0, size, PAGE)]
        runs.append((adds, extends if attributes & 1 else []))
    if order == "two-pass":
        return [s for a, _ in runs for s in a] + [s for _, e in runs for s in e]
    if order == "section":
        return [s for a, e in runs for s in a + e]
    out = []
    for adds, extends in runs:
        for i, a in enumerate(adds):
            out += [a] + extends[i:i + 1]
    return out


def mrtd(image, order):
    h = hashlib.sha384()
    for kind, gpa, data in steps(image, order):
        if kind == "add":
            h.update(record(b"MEM.PAGE.ADD", gpa))
            continue
        for at in range(0, PAGE, CHUNK):
            h.update(record(b"MR.EXTEND", gpa + at) + data[at:at + CHUNK])
    return h.hexdigest()


def chunk_hash(data):
    return hashlib.sha384(data).hexdigest()[:16]


def log_lines(image, order):
    """What tain mrtd --log prints before the MRTD."""
    out = []
    for kind, gpa, data in steps(image, order):
        if kind == "add":
            out.append("MEM.PAGE.ADD 0x%x" % gpa)
            continue
        out += ["MR.EXTEND    0x%x %s" % (gpa + at, chunk_hash(data[at:at + CHUNK]))
                for at in range(0, PAGE, CHUNK)]
    return out


def tain(*words):
    r = subprocess.run([TAIN, "mrtd", *words], capture_output=True, text=True, timeout=120)
    return r.stdout.strip() if r.returncode == 0 else "exit %d: %s" % (r.returncode, r.stderr)


def main():
    for path in (OVMF, HELLO):
        with open(path, "rb") as f:
            image = f.read()
        for order in ("per-page", "section", "two-pass"):
            want, got = mrtd(image, order), tain("--measure", order, path)
            check("%s in %s order" % (os.path.basename(path), order), want == got,
                  "hashlib says %s, tain says %s" % (want, got))
        lines = tain("--log", "--measure", "section", path).splitlines()
        want = log_lines(image, "section")
        wrong = [(a, b) for a, b in zip(lines, want) if a != b]
        check("%s: each record is in the log" % os.path.basename(path),
              len(lines) == len(want) + 1 and not wrong, str((len(lines), len(want), wrong[:1])))
        different = {mrtd(image, o) for o in ("per-page", "two-pass")}
        check("%s: the order matters" % os.path.basename(path), len(different) == 2)
    with open(OVMF, "rb") as f:
        want = mrtd(f.read(), "per-page")
    known = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "ovmf"], capture_output=True,
                           text=True).stdout
    if known == "2022.11-6+deb12u2":
        check("OVMF.fd of Debian 12 has its published MRTD", want == OVMF_MRTD, want)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
