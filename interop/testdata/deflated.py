"""Speaks IMAP with COMPRESS=DEFLATE through imaplib and zlib: host port cert user password."""
import imaplib
import ssl
import sys
import zlib

imaplib.Commands.update({c: ("AUTH", "SELECTED") for c in ("COMPRESS", "REPLACE", "UNAUTHENTICATE")})


class Deflated(imaplib.IMAP4_SSL):
    """A client that compresses once begun, each command with a partial flush."""

    out = None

    def begin(self, flush):
        typ, _ = self._simple_command("COMPRESS", "DEFLATE")
        assert typ == "OK", typ
        self.flush, self.left = flush, b""
        self.out, self.inn = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)

    def send(self, data):
        if self.out is None:
            return super().send(data)
        return super().send(self.out.compress(data) + self.out.flush(self.flush))

    def more(self):
        data = self.sock.recv(4096)
        if not data:
            raise self.abort("hung up")
        self.left += self.inn.decompress(data)

    def read(self, size):
        if self.out is None:
            return super().read(size)
        while len(self.left) < size:
            self.more()
        data, self.left = self.left[:size], self.left[size:]
        return data

    def readline(self):
        if self.out is None:
            return super().readline()
        while b"\n" not in self.left:
            self.more()
        i = self.left.index(b"\n") + 1
        data, self.left = self.left[:i], self.left[i:]
        return data

    def literals(self, command, *parts):
        """Sends a command whose literals wait for the continuation."""
        tag = self._new_tag()
        self.send(tag + b" " + command)
        for part in parts:
            if isinstance(part, bytes):
                self.send(b"{%d}\r\n" % len(part))
                line = self.readline()
                assert line.startswith(b"+"), line
                self.send(part)
            else:
                self.send(part.encode())
        self.send(b"\r\n")
        while True:
            line = self.readline()
            if line.startswith(tag):
                assert line.startswith(tag + b" OK"), line
                return line


def body(m, uid):
    typ, data = m.uid("FETCH", str(uid), "(BODY.PEEK[])")
    assert typ == "OK" and data and data[0], (uid, data)
    return data[0][1]


def main(host, port, cert, user, password):
    context = ssl.create_default_context(cafile=cert)
    first = b"Subject: one\r\n\r\n" + b"0123456789abcdef\r\n" * 9000
    second = b"Subject: two\r\n\r\n" + bytes(i % 251 + 1 for i in range(70000)).replace(b"\r", b"x").replace(b"\n", b"y") + b"\r\n"
    head, tail = b"Subject: three\r\n\r\n", b"the end\r\n"
    for flush in (zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH):
        m = Deflated(host, int(port), ssl_context=context)
        m.login(user, password)
        m.begin(flush)
        box = "Deflated%d" % flush
        assert m.create(box)[0] == "OK"
        line = m.literals(b"APPEND %s (\\Seen) " % box.encode(), first, " ", second)
        assert b"APPENDUID" in line and b" 1:2]" in line, line
        line = m.literals(b"APPEND %s CATENATE (TEXT " % box.encode(), head, ' URL "/%s/;UID=1/;SECTION=TEXT" TEXT ' % box, tail, ")")
        assert b" 3]" in line, line
        assert m.select(box)[1] == [b"3"]
        assert body(m, 1) == first
        assert body(m, 2) == second
        assert body(m, 3) == head + first.partition(b"\r\n\r\n")[2] + tail
        line = m.literals(b"UID REPLACE 2 %s (\\Flagged) " % box.encode(), first)
        m.noop()
        assert m.uid("SEARCH", "ALL")[1] == [b"1 3 4"]
        assert body(m, 4) == first
        assert m.append(box, None, None, second)[0] == "OK"
        assert m.uid("SEARCH", "SUBJECT", "two")[1] == [b"5"]
        for _ in range(50):
            assert m.uid("FETCH", "1:*", "(FLAGS UID)")[0] == "OK"
        assert m.logout()[0] == "BYE"
    print("done")


main(*sys.argv[1:])
