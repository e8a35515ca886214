"""Download Omniglot's zips from its authors: each whole and with the right checksum, or not at all.

A file is written beside its place under another name and moved there when it is complete and its
checksum is right; whatever goes wrong (no network, full disk, Ctrl-C), no piece of it stays.
"""

import argparse
import hashlib
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path

from ..system.disk import replacing
from .omniglot_files import find_root

URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
CHECKSUMS = {  # path below URL: (algorithm, digest of the zip)
    "images_background.zip": ("md5", "68d2efa1b9178cc56df9314c21c6e718"),
    "images_evaluation.zip": ("md5", "6b91aef0f799c5bb55b94e3f2daec811"),
    "one-shot-classification/all_runs.zip": (
        "sha256",
        "437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
    ),
}
PIECE = 1 << 16  # bytes read at a time


def _fetch(url: str, path: Path, algorithm: str, checksum: str) -> None:
    """Download one file to `path`, unless it is there already with the right checksum.

    algorithm is a name that hashlib knows, checksum the digest in hexadecimal.
    Raises ConnectionError when the server can't be reached, breaks off, or sends another file;
    OSError when the file can't be written.
    """
    new_hash = partial(hashlib.new, algorithm, usedforsecurity=False)
    if path.is_file() and new_hash(path.read_bytes()).hexdigest() == checksum:
        print(f"{path} is there", file=sys.stderr)
        return
    received = new_hash()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        for piece in _pieces(url):
            received.update(piece)
            file.write(piece)
        if received.hexdigest() != checksum:
            raise ConnectionError(  # inside `replacing`, which removes the file then
                f"{url} sent a file whose {algorithm} is {received.hexdigest()}, not "
                f"{checksum}; try again, or another --url"
            )
    print(f"{path} fetched", file=sys.stderr)


def _pieces(url: str) -> Iterator[bytes]:
    """The body of the response, in pieces of PIECE bytes at most.

    Raises ConnectionError for whatever goes wrong on the network, with one remedy for all.
    """
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            while piece := response.read(PIECE):
                yield piece
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds a connection
        raise ConnectionError(
            f"{url} could not be fetched ({error}); check the network, name a "
            f"mirror by --url, or copy the zips by hand"
        ) from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command: download the zips into the folder that `Omniglot()` reads.

    Ends in SystemExit with a message of one line where a file can't be fetched or written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tinymeta.data.omniglot",
        description="Download Omniglot: 16 MB, MIT licence, (c) 2015 Brenden Lake.",
    )
    parser.add_argument("--root", help="where to (default: $TINYMETA_DATA, else the user's cache)")
    parser.add_argument("--url", default=URL, help="where from (default: %(default)s)")
    options = parser.parse_args(arguments)
    root = find_root(options.root)
    try:
        for name, (algorithm, checksum) in CHECKSUMS.items():
            url = f"{options.url.rstrip('/')}/{name}"
            _fetch(url, root / Path(name).name, algorithm, checksum)
    except OSError as error:  # ConnectionError is one
        sys.exit(f"{parser.prog}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{parser.prog}: stopped; files that were complete are kept in {root}")
