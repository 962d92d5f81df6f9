"""emulator.py - start Bochs or QEMU on an image, with COM1 on a socket of ours.

Every file lies in the run's own folder; the emulator is a process group of its own. A guard process
ends both when we are killed, so that nothing survives a run.
"""
import os
import pty
import shutil
import signal
import socket
import subprocess
import threading

FIRMWARE = "/usr/share/ovmf/OVMF.fd"
# A build that enforces Secure Boot, and a variable store that trusts the package's test key.
SECURE_CODE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
SECURE_VARS = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
IPS = 200_000_000  # Bochs's instructions per second of its own time: fixed, so ticks are comparable


class StartError(Exception):
    """The emulator could not be started: one line for the user."""


# Reads from us until we end, however that happens; then ends the emulator and removes our folder.
GUARD = 'read -r pid; read -r _; kill -s KILL -- "-$pid" 2>/dev/null; rm -rf "$1"'


def drain(fd):
    """Swallow a terminal's output, else the emulator blocks on it."""
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


BOCHS_HOST_MIB = 2048  # what it takes of the host at most; the rest of a larger machine is in a file

BOCHS_RC = """\
config_interface: textconfig
display_library: term
romimage: file={firmware}, address=0xffe00000
cpu: model=corei7_skylake_x, count={cpus}, ips={ips}, reset_on_triple_fault=0
memory: guest={memory}, host={host_memory}
pci: enabled=1, chipset=i440fx
clock: sync=none
sound: driver=dummy
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path="{image}", mode=flat
boot: disk
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
com2: enabled=1, {com2}
{nic}
log: {folder}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""

# Its user-mode network: 10.0.2.15 by DHCP, the host is 10.0.2.2. What Bochs calls the device is the folder
# that its TFTP server offers, the script is the settings that it reads (iodev/network/eth_slirp.cc).
BOCHS_NIC = 'e1000: card=0, enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, ethdev="{tftp}", script="{settings}"'
BOCHS_FORWARDS = 5  # it forgets more


def bochs_network(folder, options):
    """Bochs's words for its interface, with QEMU's names for the options."""
    tftp, lines = os.path.join(folder, "tftp"), ["# slirp config"]
    os.mkdir(tftp)
    for option in options:
        name, _, value = option.partition("=")
        if name == "hostfwd" and value:
            lines.append(f"hostfwd = {value}")
        elif name == "restrict" and value in ("on", "off"):
            lines.append(f"restricted = {int(value == 'on')}")
        elif name == "tftp" and os.path.isdir(value):
            tftp = os.path.abspath(value)
        else:
            raise StartError(f"--net {option}: Bochs knows restrict=on, hostfwd=..., and tftp=DIR")
    if sum(line.startswith("hostfwd") for line in lines) > BOCHS_FORWARDS:
        raise StartError(f"--net hostfwd: Bochs takes at most {BOCHS_FORWARDS}")
    settings = os.path.join(folder, "slirp.conf")
    with open(settings, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    return BOCHS_NIC.format(tftp=tftp, settings=settings)


class Emulator:
    """A running emulator. After start(): .serial is COM1, a connected socket."""

    def __init__(self, folder):
        self.folder = folder
        self.child = None
        self.serial = None
        self.listener = None
        self.terminal = None
        self.guard = None
        self.gdb = None
        self.gdbline = None  # who listens for COM2 (gdbline.py)
        self.bochs_nic = None  # options of its network, if it has one
        self.qemu_words = []  # more words for QEMU, its serial lines among them

    def start_guard(self):
        self.guard = subprocess.Popen(["/bin/sh", "-c", GUARD, "guard", self.folder],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)

    def start(self, machine, image, cpus, memory, allow_reboot=False, secure_boot=False, gdb=None):
        """@gdb: the port of this machine where somebody listens for COM2."""
        self.gdb = gdb
        if not os.path.exists(FIRMWARE):
            raise StartError(f"{FIRMWARE} is missing (package ovmf); run make once")
        if machine == "bochs":
            words, stdio = self.prepare_bochs(image, cpus, memory)
        else:
            words, stdio = self.prepare_qemu(image, cpus, memory, allow_reboot, secure_boot)
        self.start_guard()
        env = dict(os.environ, TERM="xterm", LC_ALL="C")
        try:
            with open(os.path.join(self.folder, "stderr"), "wb") as err:
                self.child = subprocess.Popen(
                    words, stdin=stdio, stdout=stdio, stderr=err if machine == "qemu" else stdio,
                    cwd=self.folder, env=env, start_new_session=True)
        except OSError as error:
            raise StartError(f"{words[0]}: {error.strerror}") from error
        finally:
            if stdio is not None and stdio >= 0:
                os.close(stdio)
        self.guard.stdin.write(b"%d\n" % self.child.pid)
        self.guard.stdin.flush()
        self.accept()

    def prepare_bochs(self, image, cpus, memory):
        self.listener = socket.create_server(("127.0.0.1", 0))
        rc, commands = (os.path.join(self.folder, n) for n in ("bochsrc", "commands"))
        with open(rc, "w", encoding="ascii") as out:
            out.write(BOCHS_RC.format(firmware=FIRMWARE, cpus=cpus, ips=IPS, memory=memory,
                                      host_memory=min(memory, BOCHS_HOST_MIB), image=image, folder=self.folder,
                                      port=self.listener.getsockname()[1],
                                      com2=f"mode=socket-client, dev=127.0.0.1:{self.gdb}"
                                      if self.gdb else "mode=null",
                                      nic="" if self.bochs_nic is None else
                                      bochs_network(self.folder, self.bochs_nic)))
        with open(commands, "w", encoding="ascii") as out:
            out.write("c\n")  # the package has the debugger compiled in: continue
        self.terminal, slave = pty.openpty()
        threading.Thread(target=drain, args=(self.terminal,), daemon=True).start()
        return ["/usr/bin/bochs", "-q", "-f", rc, "-rc", commands], slave

    def secure_firmware(self):
        """QEMU's words for the enforcing firmware, with variables of this run's own."""
        store = os.path.join(self.folder, "vars.fd")
        shutil.copyfile(SECURE_VARS, store)
        return ["-global", "driver=cfi.pflash01,property=secure,value=on",
                "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={SECURE_CODE}",
                "-drive", f"if=pflash,unit=1,format=raw,file={store}"]

    def prepare_qemu(self, image, cpus, memory, allow_reboot, secure_boot):
        path = os.path.join(self.folder, "com1")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        words = [
            "/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none", "-monitor", "none",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(cpus), "-m", f"{memory}M",
            "-object", f"memory-backend-ram,id=ram,size={memory}M,reserve=off",
            "-machine", "q35,memory-backend=ram" + (",smm=on" if secure_boot else ""),
            "-chardev", f"socket,id=com1,path={path}",
            "-drive", f"if=none,id=stick,format=raw,file={image}",
            "-device", "qemu-xhci", "-device", "usb-storage,drive=stick,bootindex=0",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-vga", "std",
        ]
        if self.gdb:
            words += ["-chardev", f"socket,id=com2,host=127.0.0.1,port={self.gdb}",
                      "-device", "isa-serial,chardev=com2,iobase=0x2f8,irq=3,index=1"]
        words += self.qemu_words
        words += self.secure_firmware() if secure_boot else ["-bios", FIRMWARE]
        if not allow_reboot:
            words.append("-no-reboot")
        return words, subprocess.DEVNULL

    def accept(self):
        """Wait for the emulator to connect its COM1."""
        self.listener.settimeout(0.2)
        for _ in range(150):
            try:
                self.serial, _ = self.listener.accept()
                self.serial.setblocking(False)
                self.listener.close()
                return
            except socket.timeout:
                if self.child.poll() is not None:
                    raise StartError(f"{self.child.args[0]} ended at once: {self.complaint()}")
        raise StartError(f"{self.child.args[0]} did not open its serial line in 30 s")

    def complaint(self):
        """The last line that tells why the emulator ended, or ''."""
        for name in ("stderr", "bochs.log"):
            try:
                with open(os.path.join(self.folder, name), encoding="utf-8",
                          errors="replace") as log:
                    lines = [l.strip() for l in log if l.strip()]
            except OSError:
                continue
            marked = [l for l in lines if "PANIC" in l] or (lines if name == "stderr" else [])
            if marked:
                return marked[-1]
        return ""

    def running(self):
        return self.child is not None and self.child.poll() is None

    def stop(self):
        """End the emulator, whatever it does. May be called twice."""
        if self.running():
            for sig, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 10)):
                try:
                    os.killpg(self.child.pid, sig)
                    self.child.wait(patience)
                    break
                except (subprocess.TimeoutExpired, ProcessLookupError):
                    continue
        if self.guard:
            self.guard.kill()
            self.guard.stdin.close()
            self.guard.wait()
            self.guard = None
        for sock in (self.serial, self.listener):
            if sock:
                sock.close()
        if self.gdbline:
            self.gdbline.stop()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
