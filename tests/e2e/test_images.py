#!/usr/bin/python3
"""Firmware images that are not what they say: one line each naming section and reason, the guest is
refused, nothing else changes."""
import os
import struct

import e2e
from e2e import boot, check, theme

HELLO = os.path.join(e2e.ROOT, "build", "guests", "hello.fd")
SECTION = struct.Struct("<IIQQII")  # offset, raw size, GPA, memory size, type, attributes
BFV, TD_HOB = 0, 2


class Image:
    """hello.fd with its TDVF sections at hand."""

    def __init__(self):
        with open(HELLO, "rb") as file:
            self.data = bytearray(file.read())
        self.descriptor = self.data.index(b"TDVF")
        self.count = struct.unpack_from("<I", self.data, self.descriptor + 12)[0]

    def _at(self, index):
        return self.descriptor + 16 + index * SECTION.size

    def section(self, index):
        return list(SECTION.unpack_from(self.data, self._at(index)))

    def first(self, kind):
        return next(i for i in range(self.count) if self.section(i)[4] == kind)

    def change(self, index, **fields):
        names = ["offset", "raw", "gpa", "bytes", "type", "attributes"]
        values = self.section(index)
        for name, value in fields.items():
            values[names.index(name)] = value
        SECTION.pack_into(self.data, self._at(index), *values)
        return self.data

    def word(self, offset, value):
        struct.pack_into("<I", self.data, self.descriptor + offset, value)
        return self.data


def bad_images():
    """(name, bytes, what is said of it)"""
    bfv, hob = Image().first(BFV), Image().first(TD_HOB)
    good = Image().data
    yield "cut", good[:-1000], "not whole pages (truncated?)"
    yield "half", good[:4096], "TDVF"
    yield "tiny", good[-100:], "expected 4 KiB to 64 MiB"
    yield "zeroes", bytes(1 << 20), "no TDVF metadata"
    yield "huge", bytes(65 << 20), "expected 4 KiB to 64 MiB"
    yield "version", Image().word(8, 9), "TDVF descriptor: version 9"
    yield "many", Image().word(12, 1 << 30), "TDVF descriptor: 1073741824 sections"
    yield "length", Image().word(4, 7), "TDVF descriptor: length 7"
    yield "type", Image().change(bfv, type=77), f"section {bfv}: unknown type 77"
    yield "skew", Image().change(bfv, gpa=Image().section(bfv)[2] + 8), f"section {bfv} (BFV): address"
    yield "wrap", Image().change(bfv, gpa=2**64 - 4096), f"section {bfv} (BFV): 0xfffffffffffff000"
    yield "beyond", Image().change(bfv, offset=0xfffff000), f"section {bfv} (BFV): data at 0xfffff000"
    yield "thick", Image().change(bfv, raw=0xffffffff), f"section {bfv} (BFV): 0xffffffff bytes of data"
    yield "empty", Image().change(hob, bytes=0), f"section {hob} (TD_HOB): is empty"
    yield "overlap", Image().change(hob, gpa=Image().section(bfv)[2]), "overlap at"
    yield "nowhere", Image().change(hob, gpa=0x70000000), f"section {hob} (TD_HOB): 0x70000000"
    yield "nocode", Image().change(bfv, type=3, raw=0), "no BFV section"


def refused_by_name():
    bad = list(bad_images())
    config = "[tain]\nstart = cut, hello\n"
    files = [(HELLO, r"\tain\hello.fd")]
    for name, data, _ in bad:
        config += f"[td {name}]\nfirmware = \\tain\\{name}.fd\nmemory = 32M\n"
        files.append((e2e.write(f"{name}.fd", bytes(data)), rf"\tain\{name}.fd"))
    config += "[td hello]\nfirmware = \\tain\\hello.fd\nmemory = 32M\nattributes = debug\n"
    commands = ["wait hello 60"] + [f"start {name}" for name, _, _ in bad]
    b = boot(config=config, files=files, timeout=400,
             commands=commands + ["memory", "guests", "check", "start hello", "wait hello 60"])
    for name, _, says in bad:
        lines = b.output_of(f"start {name}").strip().splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        check(f"{name}.fd is refused: {says}", len(errors) == 1 and says in errors[0],
              "\n".join(lines) or b)
    check("one that is in `start` is refused in one line", b.has(r"^tain: cut: refused: .*truncated"), b)
    check("the good one beside them runs, before and after",
          b.text.count("tain: hello: stopped: powered off") == 2, b)
    check("every page is back", "no  " not in b.output_of("check") and
          "error" not in b.output_of("check"), b)
    check("the run ends with 0", b.status == 0, b)


def main():
    with theme("refused_by_name"):
        refused_by_name()
    e2e.finish()


if __name__ == "__main__":
    main()
