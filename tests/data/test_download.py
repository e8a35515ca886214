"""The downloader against a server on this machine: all or nothing, and one line when it fails."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tinymeta.data import download

BODY = bytes(range(256)) * 1000
NAMES = ("images_background.zip", "images_evaluation.zip", "all_runs.zip")


@pytest.fixture
def server(monkeypatch):
    """A server of BODY for every path, counting what is asked; its `mode` makes it misbehave."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.server.mode == "absent":
                return self.send_error(404)
            body = {"other": BODY[::-1], "short": BODY[:100_000]}.get(self.server.mode, BODY)
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.mode = [], "well"
    server.url = f"http://127.0.0.1:{server.server_port}/python"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    md5 = ("md5", hashlib.md5(BODY).hexdigest())
    monkeypatch.setattr(
        download,
        "CHECKSUMS",
        {
            "images_background.zip": md5,
            "images_evaluation.zip": md5,
            "one-shot-classification/all_runs.zip": ("sha256", hashlib.sha256(BODY).hexdigest()),
        },
    )
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fails(root, url):
    """The last line that main writes, after making sure that it leaves no file."""
    with pytest.raises(SystemExit) as raised:
        download.main(["--root", str(root), "--url", url])
    assert list(root.glob("*")) == [] and "\n" not in raised.value.code
    assert raised.value.code.startswith("python -m tinymeta.data.omniglot: ")
    return raised.value.code


def test_all_files_are_fetched_once(server, tmp_path, capsys):
    for _ in range(2):
        download.main(["--root", str(tmp_path / "new"), "--url", server.url + "/"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(NAMES)
    assert all((tmp_path / "new" / name).read_bytes() == BODY for name in NAMES)
    assert server.asked == [
        "/python/images_background.zip",
        "/python/images_evaluation.zip",
        "/python/one-shot-classification/all_runs.zip",
    ]
    err = capsys.readouterr().err
    assert err.count(" fetched\n") == 3 and err.count(" is there\n") == 3


def test_a_file_with_a_wrong_checksum_is_fetched_again(server, tmp_path):
    (tmp_path / NAMES[0]).write_bytes(b"half a zi")
    download.main(["--root", str(tmp_path), "--url", server.url])
    assert (tmp_path / NAMES[0]).read_bytes() == BODY


def test_the_default_folder_is_the_one_omniglot_reads(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYMETA_DATA", str(tmp_path / "there"))
    download.main(["--url", server.url])
    assert (tmp_path / "there" / NAMES[2]).exists()


@pytest.mark.parametrize(
    "mode, words",
    [
        ("absent", "HTTP Error 404"),
        ("other", "sent a file whose md5 is"),
        ("short", "sent a file whose md5 is"),
    ],
)
def test_a_server_that_misbehaves_leaves_nothing(server, tmp_path, mode, words):
    server.mode = mode
    assert words in fails(tmp_path, server.url)


def test_without_a_network_one_line_says_so(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, but nobody listens
        message = fails(tmp_path, url)
    assert f"{url}/images_background.zip could not be fetched" in message
    assert "check the network" in message


@pytest.mark.parametrize("url", ["no-url-at-all", "http://", "ftp:/x"])
def test_a_wrong_address_is_one_line(tmp_path, url):
    assert "could not be fetched" in fails(tmp_path, url)


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_full_disk_leaves_nothing(server, tmp_path, full_disk, room):
    full_disk(room)
    assert "No space left on device" in fails(tmp_path, server.url)


def test_a_full_disk_keeps_the_file_that_was_there(server, tmp_path, full_disk):
    (tmp_path / NAMES[0]).write_bytes(b"an older one")
    full_disk(1000)
    with pytest.raises(SystemExit):
        download.main(["--root", str(tmp_path), "--url", server.url])
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(NAMES[0], b"an older one")]


def test_ctrl_c_leaves_nothing_half_written(server, tmp_path, monkeypatch):
    pieces = download._pieces

    def interrupted(url):
        yield next(pieces(url))
        if url.endswith(NAMES[1]):
            raise KeyboardInterrupt
        yield BODY[download.PIECE :]

    monkeypatch.setattr(download, "_pieces", interrupted)
    with pytest.raises(SystemExit, match="stopped; files that were complete are kept"):
        download.main(["--root", str(tmp_path), "--url", server.url])
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[0]]


def test_a_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="file"):
        download.main(["--root", str(tmp_path / "file" / "below"), "--url", server.url])


def test_the_command_runs_as_a_module(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "tinymeta.data.omniglot"]
    path = os.pathsep.join(p or os.getcwd() for p in sys.path)
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": path}
    process = subprocess.run(
        [*command, "--root", str(tmp_path), "--url", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert "could not be fetched" in process.stderr
    process = subprocess.run([*command, "--help"], capture_output=True, text=True, env=environment)
    assert process.returncode == 0 and download.URL in process.stdout
