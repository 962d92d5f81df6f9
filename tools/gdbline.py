"""gdbline.py - between the emulator's COM2 and a gdb that comes and goes.

The emulator connects its second serial port once, at its start. gdb connects when it likes, to a port of
this machine or to a socket in a file, and may come again. What the stub says while nobody is there is lost,
as on a cable that is not plugged in.
"""
import os
import select
import socket
import threading


class GdbLine:
    """A relay in a thread of its own. .port is where the emulator connects, .where what gdb is told."""

    def __init__(self, where):
        self.to_emulator = socket.create_server(("127.0.0.1", 0))
        self.port = self.to_emulator.getsockname()[1]
        self.path = None
        if where.isdigit():
            self.to_gdb = socket.create_server(("127.0.0.1", int(where)))
            self.where = "127.0.0.1:%d" % self.to_gdb.getsockname()[1]
        else:
            self.to_gdb = socket.socket(socket.AF_UNIX)
            self.to_gdb.bind(where)
            self.to_gdb.listen(1)
            self.path = self.where = where
        self.emulator = self.gdb = None
        self.wake, self.woken = socket.socketpair()
        self.thread = threading.Thread(target=self.relay, daemon=True)
        self.thread.start()

    def relay(self):
        while True:
            ends = [s for s in (self.emulator, self.gdb) if s]
            ready, _, _ = select.select([self.woken, self.to_emulator, self.to_gdb] + ends, [], [])
            if self.woken in ready:
                return
            if self.to_emulator in ready:
                self.emulator = self.accept(self.to_emulator, self.emulator)
            if self.to_gdb in ready:
                self.gdb = self.accept(self.to_gdb, self.gdb)
            if self.emulator in ready and not self.move(self.emulator, self.gdb):
                self.emulator = None
            if self.gdb in ready and not self.move(self.gdb, self.emulator):
                self.gdb = None

    @staticmethod
    def accept(listener, old):
        """The newest counts: who came before is gone or forgotten."""
        if old:
            old.close()
        new, _ = listener.accept()
        if new.family != socket.AF_UNIX:
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return new

    @staticmethod
    def move(source, target):
        """False: @source is closed."""
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if not data:
            source.close()
            return False
        if target:
            try:
                target.sendall(data)
            except OSError:
                pass  # its own turn will notice
        return True

    def stop(self):
        self.wake.close()
        self.thread.join(5)
        for sock in (self.to_emulator, self.to_gdb, self.emulator, self.gdb, self.woken):
            if sock:
                sock.close()
        if self.path:
            try:
                os.unlink(self.path)
            except OSError:
                pass
