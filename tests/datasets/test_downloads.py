from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from kgzsl import datasets
from kgzsl.datasets.fetching import CHUNK, fetch, sha256_of, unpack
from kgzsl.datasets.sources import SOURCES, RemoteFile, Source
from kgzsl.errors import InputError

CONTENT = b"".join(f"entity{i}\tlikes\tentity{i + 1}\n".encode() for i in range(20_000))
TEST = b"entity1\tteaches\tentity2\n"


class Server(ThreadingHTTPServer):
    """Serves ``files``; closes the connection ``dies_after[path]`` bytes into an answer, ``deaths[path]`` times."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.dies_after: dict[str, int] = {}
        self.deaths: dict[str, int] = {}
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.server.deaths.get(self.path, 0) > 0:
            self.server.deaths[self.path] -= 1
            body = body[: self.server.dies_after[self.path]]
            self.close_connection = True
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def remote(server: Server, path: str, content: bytes, *more: str, target: str = "kg/umls/train.txt") -> RemoteFile:
    server.files[path] = content
    return RemoteFile(target, (server.url(path), *more), hashlib.sha256(content).hexdigest(), len(content))


def leftovers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and file.name.startswith("."))


def test_a_file_comes_whole_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    got = fetch(remote(server, "/train.txt", CONTENT), tmp_path, progress=lambda *values: told.append(values))
    assert got == tmp_path / "kg" / "umls" / "train.txt"
    assert got.read_bytes() == CONTENT
    assert told[-1] == ("train.txt", len(CONTENT), len(CONTENT))
    assert leftovers(tmp_path) == []


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    file = remote(server, "/train.txt", CONTENT)
    fetch(file, tmp_path)
    fetch(file, tmp_path)
    assert len(server.asked) == 1
    (tmp_path / file.path).write_bytes(b"spoilt")
    fetch(file, tmp_path)
    assert (tmp_path / file.path).read_bytes() == CONTENT


def test_a_server_that_dies_half_way_is_asked_for_the_rest(server: Server, tmp_path: Path) -> None:
    half = len(CONTENT) // 2
    server.dies_after["/train.txt"], server.deaths["/train.txt"] = half, 1
    got = fetch(remote(server, "/train.txt", CONTENT), tmp_path)
    assert got.read_bytes() == CONTENT
    (first, nothing), (second, rest) = server.asked
    assert (first, nothing, second) == ("/train.txt", None, "/train.txt")
    assert rest is not None
    # At most the chunk that was under way is asked for again.
    assert half - CHUNK < int(rest.removeprefix("bytes=").removesuffix("-")) <= half
    assert leftovers(tmp_path) == []


def test_a_server_that_dies_again_and_again_is_asked_as_long_as_bytes_come(server: Server, tmp_path: Path) -> None:
    server.dies_after["/train.txt"], server.deaths["/train.txt"] = CHUNK + 1000, 5
    assert fetch(remote(server, "/train.txt", CONTENT), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 6


def test_without_ranges_it_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.dies_after["/train.txt"], server.deaths["/train.txt"] = 1000, 2
    assert fetch(remote(server, "/train.txt", CONTENT), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_what_arrived_stays_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.dies_after["/train.txt"], server.deaths["/train.txt"] = 0, 99
    file = remote(server, "/train.txt", CONTENT)
    with pytest.raises(InputError, match=r"train\.txt: could not be downloaded: .*gave up after 3 attempts"):
        fetch(file, tmp_path)
    assert not (tmp_path / file.path).exists()
    # Someone cut the line after 1234 bytes: they are in the part file.
    server.deaths["/train.txt"] = 0
    url = file.urls[0]
    part = tmp_path / "kg" / "umls" / f".train.txt.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
    part.write_bytes(CONTENT[:1234])
    server.asked.clear()
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/train.txt", "bytes=1234-")]


def test_a_part_longer_than_the_file_is_dropped(server: Server, tmp_path: Path) -> None:
    file = remote(server, "/train.txt", CONTENT)
    part = tmp_path / "kg" / "umls" / f".train.txt.{hashlib.sha256(file.urls[0].encode()).hexdigest()[:8]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_never_reaches_its_place(server: Server, tmp_path: Path) -> None:
    file = remote(server, "/train.txt", CONTENT)
    server.files["/train.txt"] = CONTENT[:-1] + b"!"
    with pytest.raises(InputError, match=r"has another checksum than .*thrown away"):
        fetch(file, tmp_path)
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


def test_mirrors_are_tried_in_order(server: Server, tmp_path: Path) -> None:
    bad = remote(server, "/bad.txt", CONTENT)
    server.files["/bad.txt"] = b"an error page"
    good = remote(server, "/good.txt", CONTENT)
    urls = (server.url("/gone.txt"), bad.urls[0], good.urls[0])
    got = fetch(RemoteFile("a.txt", urls, good.sha256), tmp_path)
    assert got.read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone.txt", "/bad.txt", "/good.txt"]
    with pytest.raises(InputError, match=r"gone\.txt: the server answered 404; .*bad\.txt: .*another checksum"):
        fetch(RemoteFile("b.txt", urls[:2], good.sha256), tmp_path)


def test_no_server_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not be downloaded") as caught:
        fetch(RemoteFile("a.txt", ("http://127.0.0.1:9/a.txt",)), tmp_path, timeout=1)
    assert "\n" not in str(caught.value)


def zipped(**files: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_archive_is_unpacked_and_removed(server: Server, tmp_path: Path) -> None:
    archive = zipped(**{"kg/umls/train.txt": CONTENT, "kg/umls/test.txt": TEST})
    file = remote(server, "/all.zip", archive, target="all.zip")
    source = Source((RemoteFile(file.path, file.urls, file.sha256, unpack=True),))
    now = datasets.download("umls", tmp_path, sources={"umls": source})
    assert now.state == "here"
    assert not (tmp_path / "all.zip").exists()
    assert (tmp_path / "kg" / "umls" / "test.txt").read_bytes() == TEST
    assert leftovers(tmp_path) == []


def test_bad_archives_leave_nothing(tmp_path: Path) -> None:
    content = bytearray(zipped(**{"a.txt": CONTENT}))
    content[len(content) // 3] ^= 255
    (tmp_path / "bad.zip").write_bytes(bytes(content))
    with pytest.raises(InputError, match="archive is damaged"):
        unpack(tmp_path / "bad.zip")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "sly.zip").write_bytes(zipped(**{"../sly.txt": b"x"}))
    with pytest.raises(InputError, match="leaves the folder"):
        unpack(tmp_path / "sly.zip")
    assert not (tmp_path.parent / "sly.txt").exists()


def test_download_status_and_check_of_a_data_set(server: Server, tmp_path: Path) -> None:
    before = datasets.status("umls", tmp_path)
    assert (before.state, before.can_download, before.size) == ("absent", True, 0)
    assert before.missing == (tmp_path / "kg" / "umls" / "train.txt", tmp_path / "kg" / "umls" / "test.txt")
    # 260,012 + 32,962 + 32,967 bytes: the sizes of the three files.
    assert before.download_size == 325_941
    train = remote(server, "/train.txt", CONTENT)
    test = remote(server, "/test.txt", TEST, target="kg/umls/test.txt")
    after = datasets.download("umls", tmp_path, sources={"umls": Source((train, test))})
    assert (after.state, after.remedy) == ("here", "")
    assert after.size == len(CONTENT) + len(TEST)
    assert datasets.status("umls", tmp_path) == after
    # The bytes are not those of UMLS, and the check says so; they do read as a knowledge graph.
    found = datasets.check("umls", tmp_path)
    assert not found.in_order
    assert {file.verdict for file in found.files} == {"other"}
    assert "1 unseen" in found.summary
    assert all("not the published ones" in problem for problem in found.problems)


def test_half_a_data_set_and_what_only_a_person_can_get(tmp_path: Path) -> None:
    (tmp_path / "kg" / "umls").mkdir(parents=True)
    (tmp_path / "kg" / "umls" / "train.txt").write_bytes(CONTENT)
    half = datasets.status("umls", tmp_path)
    assert half.state == "partly"
    assert [file.name for file in half.missing] == ["test.txt"]
    assert "kgzsl datasets download umls" in half.remedy
    with pytest.raises(InputError, match=r"'nell_zs' cannot be fetched; put train_tasks\.json.* into kg/nell_zs"):
        datasets.download("nell_zs", tmp_path)
    with pytest.raises(InputError, match="no data set is called 'umsl'; did you mean 'umls'"):
        datasets.download("umsl", tmp_path)
    absent = datasets.check("nell_zs", tmp_path)
    assert not absent.in_order
    assert "is not there" in absent.problems[0]
    assert datasets.download("latin_characters", tmp_path).state == "embedded"


def test_every_status_says_what_to_do(tmp_path: Path) -> None:
    for name in datasets.names():
        found = datasets.status(name, tmp_path)
        assert found.state in ("embedded", "absent")
        assert (found.state == "embedded") == (found.remedy == "")


def test_every_benchmark_of_the_field_has_a_status_with_what_is_known_of_its_files(tmp_path: Path) -> None:
    wanted = ("AWA1", "AWA2", "CUB", "SUN", "FLO", "APY", "imnet_a", "imnet_o", "nell_zs", "wiki_zs", "kzsl_awa")
    wanted += ("kzsl_imnet_a", "kzsl_imnet_o", "kzsl_nell", "kzsl_wiki", "codex_s", "wn18rr", "ingram_nl-100")
    for name in wanted:
        found = datasets.status(name, tmp_path)
        assert found.looked_in
        assert found.missing
        assert found.remedy
    (graph,) = datasets.status("kzsl_awa", tmp_path).files
    assert (graph.size, len(graph.sha256 or "")) == (489_646, 64)
    assert datasets.status("kzsl_awa", tmp_path).can_download
    assert [file.path for file in datasets.status("nell_zs", tmp_path).files] == [
        "kg/nell_zs/dev_tasks.json",
        "kg/nell_zs/test_tasks.json",
    ]
    assert not datasets.status("nell_zs", tmp_path).can_download


def test_a_class_graph_is_fetched_and_checked_and_is_no_data_set(server: Server, tmp_path: Path) -> None:
    turtle = b"@prefix : <urn:x#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . :a rdfs:subClassOf :b ."
    file = remote(server, "/g.ttl", turtle, target="kg/awa/KG-AwA.ttl")
    assert datasets.download("kzsl_awa", tmp_path, sources={"kzsl_awa": Source((file,))}).state == "here"
    found = datasets.check("kzsl_awa", tmp_path)
    assert "2 nodes, 1 edges" in found.summary
    assert [one.verdict for one in found.files] == ["other"]  # the bytes are not those that were published
    with pytest.raises(InputError, match=r"KG-AwA\.ttl: 'kzsl_awa' is a class graph, not a data set"):
        datasets.load("kzsl_awa", tmp_path)


def test_status_on_the_command_line_tells_sizes_and_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kgzsl.cli.app import run

    monkeypatch.setenv("KGZSL_DATA", str(tmp_path))
    assert run(["datasets", "status", "umls", "CUB"]) == 0
    told = capsys.readouterr().out
    assert "published: kg/umls/train.txt, 260,012 bytes, sha256 30202640f8b2" in told
    assert "published: xlsa17.zip, of a size that is not known, no checksum is published" in told


def test_sources_are_well_formed() -> None:
    assert set(SOURCES) <= set(datasets.names())
    for name, source in SOURCES.items():
        assert source.files or source.by_hand
        assert not any(file.urls for file in source.expected)
        for file in source.files:
            assert not Path(file.path).is_absolute()
            assert file.unpack or (file.sha256 is not None and len(file.sha256) == 64), name
            assert all(url.startswith(("https://", "http://")) for url in file.urls)


def test_the_checksum_of_a_compressed_file_is_that_of_its_content(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.txt").write_bytes(TEST)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEST))
    assert sha256_of(tmp_path / "a.txt") == sha256_of(tmp_path / "a.txt.gz") == hashlib.sha256(TEST).hexdigest()
