"""What the standard library, and Flask where it is installed, make of an erlang.PyBuffer."""
from __future__ import annotations

import bz2
import csv
import email
import email.policy
import gzip
import hashlib
import importlib.util
import io
import json
import lzma
import random
import shutil
import tarfile
import tempfile
import threading
import unittest
import wsgiref.util
import wsgiref.validate
import zipfile

from buffer_case import known

from erlang import PyBuffer

BOUNDARY = b"----boundary"
UPLOAD = b"\x00\x01binary\r\n--not a boundary\r\n\xff" * 1000
MULTIPART = b"\r\n".join(
    [
        b"--" + BOUNDARY,
        b'Content-Disposition: form-data; name="title"',
        b"",
        b"a title",
        b"--" + BOUNDARY,
        b'Content-Disposition: form-data; name="file"; filename="x.bin"',
        b"Content-Type: application/octet-stream",
        b"",
        UPLOAD,
        b"--" + BOUNDARY + b"--",
        b"",
    ]
)


def streamed(data: bytes, piece: int = 1000) -> PyBuffer:
    """A buffer that another thread still writes."""
    buffer = PyBuffer._test_create(b"", None)

    def write() -> None:
        for at in range(0, len(data), piece):
            buffer._test_write(data[at : at + piece])
        buffer._test_end()

    threading.Thread(target=write, daemon=True).start()
    return buffer


def archive(names: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in names.items():
            target.writestr(name, data)
    return packed.getvalue()


class StandardLibrary(unittest.TestCase):
    def test_text_io_wrapper_decodes_lines(self) -> None:
        text = "größer\nzweite Zeile\r\n" * 3000 + "Ende"
        for buffer in (known(text.encode()), streamed(text.encode())):
            with io.TextIOWrapper(buffer, encoding="utf-8", newline="") as wrapper:
                self.assertEqual("".join(wrapper), text)
            self.assertTrue(buffer.closed)

    def test_text_io_wrapper_tells_and_seeks(self) -> None:
        wrapper = io.TextIOWrapper(known(b"one\ntwo\nthree\n"), encoding="ascii")
        wrapper.readline()
        place = wrapper.tell()
        self.assertEqual(wrapper.readline(), "two\n")
        wrapper.seek(place)
        self.assertEqual(wrapper.read(), "two\nthree\n")

    def test_buffered_reader_reads_through(self) -> None:
        data = random.Random(1).randbytes(100_000)
        self.assertEqual(io.BufferedReader(streamed(data)).read(), data)
        reader = io.BufferedReader(known(b"one\ntwo"))
        self.assertEqual(
            (reader.peek(1)[:3], reader.readline(), reader.read(1)), (b"one", b"one\n", b"t")
        )

    def test_json_load(self) -> None:
        value = {"list": list(range(10_000)), "text": "größer"}
        self.assertEqual(json.load(streamed(json.dumps(value).encode())), value)

    def test_csv_reader(self) -> None:
        rows = [[str(n), f"name, {n}"] for n in range(2000)]
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        wrapper = io.TextIOWrapper(streamed(text.getvalue().encode()), newline="")
        self.assertEqual(list(csv.reader(wrapper)), rows)

    def test_zipfile_of_a_known_length(self) -> None:
        names = {"a.txt": b"a" * 100_000, "b/c.bin": random.Random(2).randbytes(10_000)}
        with zipfile.ZipFile(known(archive(names))) as packed:
            self.assertEqual({name: packed.read(name) for name in packed.namelist()}, names)
        self.assertIs(zipfile.is_zipfile(known(archive(names))), True)
        self.assertIs(zipfile.is_zipfile(known(b"no archive" * 100)), False)

    def test_compressed_streams(self) -> None:
        data = b"some text that repeats itself\n" * 20_000
        for module in (gzip, bz2, lzma):
            with self.subTest(module.__name__), module.open(
                streamed(module.compress(data))
            ) as plain:
                self.assertEqual(plain.read(), data)

    def test_a_truncated_compressed_stream_is_an_error(self) -> None:
        packed = gzip.compress(random.Random(3).randbytes(10_000))
        buffer = PyBuffer._test_create(packed[:5000], None)
        buffer._test_end(True)
        with self.assertRaises(OSError):
            gzip.open(buffer).read()

    def test_tarfile_as_a_stream(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as target:
            member = tarfile.TarInfo("x.bin")
            member.size = len(UPLOAD)
            target.addfile(member, io.BytesIO(UPLOAD))
        with tarfile.open(fileobj=streamed(packed.getvalue()), mode="r|gz") as source:
            found = {entry.name: source.extractfile(entry).read() for entry in source}
        self.assertEqual(found, {"x.bin": UPLOAD})

    def test_shutil_copyfileobj(self) -> None:
        data = random.Random(4).randbytes(500_000)
        target = io.BytesIO()
        shutil.copyfileobj(streamed(data, 30_000), target)
        self.assertEqual(target.getvalue(), data)

    def test_a_real_file_takes_it(self) -> None:
        with tempfile.TemporaryFile() as target:
            target.writelines(known(b"a\nb\n"))
            target.write(known(b"c"))
            target.seek(0)
            self.assertEqual(target.read(), b"a\nb\nc")

    def test_hashlib_takes_it_without_a_copy_and_as_a_file(self) -> None:
        data = random.Random(5).randbytes(1_000_000)
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual(hashlib.sha256(known(data)).hexdigest(), digest)
        if hasattr(hashlib, "file_digest"):
            found = hashlib.file_digest(streamed(data, 30_000), "sha256")
            self.assertEqual(found.hexdigest(), digest)

    def test_bytes_join_and_memoryview_take_it(self) -> None:
        self.assertEqual(b"-".join([known(b"a"), known(b"b")]), b"a-b")
        self.assertEqual(bytearray(known(b"abc")), b"abc")

    def test_email_parses_a_multipart_body(self) -> None:
        head = b"MIME-Version: 1.0\r\nContent-Type: multipart/form-data; boundary=" + BOUNDARY
        buffer = known(head + b"\r\n\r\n" + MULTIPART)
        message = email.message_from_binary_file(buffer, policy=email.policy.HTTP)
        title, upload = message.iter_parts()
        self.assertEqual(title.get_payload(decode=True).strip(), b"a title")
        self.assertEqual(upload.get_filename(), "x.bin")

    def test_find_and_read_take_a_multipart_body_apart(self) -> None:
        buffer = streamed(MULTIPART)
        found = {}
        self.assertEqual(buffer.readline(), b"--" + BOUNDARY + b"\r\n")
        while not buffer.at_eof():
            header = b"".join(iter(buffer.readline, b"\r\n"))
            name = header.split(b'name="')[1].split(b'"')[0]
            body = bytearray()
            while not body.endswith(b"\r\n--" + BOUNDARY):
                line = buffer.readline()
                stop = (body + line).find(b"\r\n--" + BOUNDARY)
                body += line
                if stop >= 0:
                    break
            found[name] = bytes(body[:stop])
            if body.endswith(b"--\r\n"):
                break
        self.assertEqual(found, {b"title": b"a title", b"file": UPLOAD})


class Wsgi(unittest.TestCase):
    def environ(self, body: io.BufferedIOBase, length: int) -> dict[str, object]:
        environ: dict[str, object] = {}
        wsgiref.util.setup_testing_defaults(environ)
        environ |= {
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "multipart/form-data; boundary=" + BOUNDARY.decode(),
            "CONTENT_LENGTH": str(length),
            "wsgi.input": body,
        }
        return environ

    def test_the_validator_accepts_it_as_input(self) -> None:
        def application(environ, start_response):
            body = environ["wsgi.input"]
            found = body.read(3) + body.readline() + b"".join(body.readlines(1)) + next(iter(body))
            start_response("200 OK", [("Content-Type", "text/plain"), ("X-Found", "yes")])
            return [found]

        checked = wsgiref.validate.validator(application)
        environ = self.environ(known(b"one\ntwo\nthree\nfour\n"), 19)
        answer = checked(environ, lambda status, headers, error=None: lambda data: None)
        try:
            self.assertEqual(b"".join(answer), b"one\ntwo\nthree\n")
        finally:
            answer.close()

    @unittest.skipUnless(importlib.util.find_spec("flask"), "Flask is not installed")
    def test_flask_reads_forms_and_files_from_it(self) -> None:
        import flask

        application = flask.Flask("test")

        @application.post("/")
        def upload() -> dict[str, str]:
            sent = flask.request.files["file"].read()
            digest = hashlib.sha256(sent).hexdigest()
            return {"title": flask.request.form["title"], "digest": digest}

        expected = {"title": "a title", "digest": hashlib.sha256(UPLOAD).hexdigest()}
        # Werkzeug before 2.3 takes a short read for a client that went away: a body that has not
        # arrived yet goes there in a BufferedReader, which reads until it has what was asked for.
        for body in (known(MULTIPART), io.BufferedReader(streamed(MULTIPART))):
            environ = self.environ(body, len(MULTIPART))
            answer = application(environ, lambda status, headers, error=None: None)
            self.assertEqual(json.loads(b"".join(answer)), expected)


if __name__ == "__main__":
    unittest.main()
