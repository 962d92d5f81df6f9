#!/usr/bin/python3
"""The machine handed to another EFI program, or back to the firmware's menu."""
import shutil
import struct

import e2e
from e2e import Live, boot, check, theme

FLASH = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")
SAID = b"\r\nanother program has the machine\r\ntain: exit 7\r\n\0"


def program():
    """A PE image for UEFI that says so on COM1 and ends QEMU."""
    code = bytes.fromhex("488d3514000000" "baf8030000" "ac" "84c0" "7403" "ee" "ebf8" "b007" "e6f4"
                         "f4" "ebfd") + SAID
    header = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 0xF0, 0x22E)
    header += struct.pack("<HHIIIIIQII", 0x20B, 0, 0x200, 0, 0, 0x1000, 0x1000, 0x400000, 0x1000, 0x200)
    header += struct.pack("<HHHHHHIIIIHH", 0, 0, 0, 0, 0, 0, 0, 0x2000, 0x200, 0, 10, 0)
    header += struct.pack("<QQQQII", 0x1000, 0x1000, 0x1000, 0x1000, 0, 16) + bytes(128)
    header += struct.pack("<8sIIIIIIHHI", b".text", len(code), 0x1000, 0x200, 0x200, 0, 0, 0, 0,
                          0x60000020)
    dos = b"MZ" + bytes(58) + struct.pack("<I", 0x40)
    return (dos + header).ljust(0x200, b"\0") + code.ljust(0x200, b"\0")


def with_variables():
    """Words for tools/run: firmware that keeps its variables over a reset."""
    store = e2e.scratch("vars.fd")
    shutil.copyfile(FLASH[1], store)
    return ["--allow-reboot"] + [
        f"--qemu={w}" for unit, options in enumerate((f"readonly=on,file={FLASH[0]}", f"file={store}"))
        for w in ("-drive", f"if=pflash,unit={unit},format=raw,{options}")]


with theme("another program"):
    OTHER = e2e.write("other.efi", program())
    b = boot(machine="qemu", files=[(OTHER, r"\tain\other.efi")],
             commands=["chain relative", r"chain \tain\other.efi"], timeout=240,
             extra=with_variables())
    check("a path that is none is refused", b.has(r"error: a path begins with"), b)
    check("another EFI program gets the machine", b.has("another program has the machine"), b)
    check("and its exit is the run's", b.status == 7, b)
with theme("what is not there, and the firmware's menu"):
    live = Live(machine="qemu", config="none", timeout=480, extra=with_variables())
    first = live.wait(r"^tain: ready")
    live.type("chain \\tain\\nobody.efi\r")
    again = live.wait(r"^the machine resets") and live.wait(r"^tain: ready")
    live.type("chain firmware\r")
    menu = live.wait(r"resets into the firmware's menu") and live.wait(r"Boot Maintenance Manager")
    b = live.leave("", seconds=1)  # the menu has no end of its own
    check("a program that is not there: firmware goes on with Tain", first and again, b)
    check("the firmware shows its menu when it is asked for", menu, b)
e2e.finish()
