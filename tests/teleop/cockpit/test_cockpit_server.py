"""The cockpit's process: who is let in, what it serves, and what becomes of it when others die."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.cockpit.address import listen, own_addresses, resolved
from leash_robot.teleop.cockpit.auth import hostname
from leash_robot.teleop.cockpit.client import Cockpit, CockpitOptions
from leash_robot.teleop.operator import Event
from support.browsing import PATIENCE, Show, Visitor, driven, released, show
from support.paths import ROOT

PAGE = ROOT / "teleop" / "cockpit" / "static"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    with show(tmp_path_factory.mktemp("episodes")) as made:
        yield made


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def asked(shown: Show, path: str, **headers: str) -> Answer:
    """The answer to a request for a path."""
    where = urlsplit(shown.cockpit.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": where.netloc, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with contextlib.closing(connection), connection.getresponse() as answer:
        body = b"" if answer.status == 101 else answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def inside(shown: Show, name: str = "") -> str:
    return urlsplit(shown.cockpit.url).path + name


def test_the_address_is_on_loopback_and_its_token_cannot_be_guessed(shown: Show) -> None:
    where = urlsplit(shown.cockpit.url)
    assert where.hostname == "127.0.0.1"
    assert re.fullmatch(r"/[\w-]{32}/", where.path)


def test_the_page_is_served_whole_and_asks_for_nothing_from_elsewhere(shown: Show) -> None:
    page = asked(shown, inside(shown))
    assert page.status == 200
    text = page.body.decode()
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"main.js", "cockpit.css"} <= set(named)
    for name in [*named, *(path.name for path in PAGE.glob("*.js"))]:
        answer = asked(shown, inside(shown, name))
        assert answer.status == 200, name
        assert answer.body == (PAGE / name).read_bytes()
        assert answer.headers["content-type"].split(";")[0] in {"text/javascript", "text/css", "image/svg+xml"}
    sources = "".join(path.read_text() for path in PAGE.iterdir())
    assert set(re.findall(r"https?://[^\"'\s]+", sources)) <= {"http://www.w3.org/2000/svg"}


def test_pages_may_load_nothing_from_elsewhere_nor_be_framed(shown: Show) -> None:
    headers = asked(shown, inside(shown)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/main.js", "//", "/../", "/%00/", "/" + "x" * 3000])
def test_without_the_token_nothing_is_served(shown: Show, path: str) -> None:
    answer = asked(shown, path)
    assert answer.status == 403
    assert urlsplit(shown.cockpit.url).path.strip("/") not in answer.body.decode()


def test_with_the_token_nothing_but_the_pages_files_is_served(shown: Show) -> None:
    for name in ("absent.js", "../cockpit_server.py", "%2e%2e/cockpit_server.py", "/etc/passwd", "a/b"):
        assert asked(shown, inside(shown, name)).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "localhost@evil.example", "[::1"])
def test_a_wrong_host_is_refused(shown: Show, host: str) -> None:
    assert asked(shown, inside(shown), Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:1", "[::1]:8420", "LOCALHOST"])
def test_a_tunnel_may_have_another_port(shown: Show, host: str) -> None:
    assert asked(shown, inside(shown), Host=host).status == 200


def test_hostnames_are_taken_apart_as_browsers_do() -> None:
    assert hostname("localhost:80") == "localhost"
    assert hostname("[::1]:80") == "::1"
    assert hostname("user@host") == "host"
    assert hostname("[") == ""


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost:1"])
def test_a_wrong_origin_is_refused(shown: Show, origin: str) -> None:
    assert asked(shown, inside(shown), Origin=origin).status == 403
    with pytest.raises(InvalidStatus) as refused:
        Visitor(shown.cockpit, origin=origin)
    assert refused.value.response.status_code == 403


def test_a_socket_without_the_token_or_an_origin_is_refused(shown: Show) -> None:
    where = urlsplit(shown.cockpit.url)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert asked(shown, inside(shown, "socket"), **upgrade).status == 403
    assert asked(shown, "/wrong/socket", Origin=f"http://{where.netloc}", **upgrade).status == 403
    assert asked(shown, inside(shown, "socket"), Origin=f"http://{where.netloc}", **upgrade).status == 101


def test_a_visitor_drives_is_seen_and_lets_go_by_leaving(shown: Show) -> None:
    key = {"name": "keyboard", "serial": 0}
    with Visitor(shown.cockpit) as visitor:
        visitor.sees(lambda view: view.get("driver") == "you")
        while not (shown.drive.armed and shown.cockpit.armed):
            visitor.holds(key)
            visitor.looks()
        for _ in range(100):
            visitor.holds({**key, "engaged": True, "forward": 1.0})
            view = visitor.looks()
            if isinstance(view, dict) and any(each["source"] == "human" for each in view.get("samples", [])):
                break
        assert driven(shown.until(driven))
    shown.next(released)


def test_frames_come_as_the_camera_made_them(shown: Show) -> None:
    with Visitor(shown.cockpit) as visitor:
        while not visitor.frames:
            visitor.looks()
    head, jpeg = visitor.frames[0]
    shown.until(lambda tick: tick.obs.images["head"].time == head["time"] and tick.obs.images["head"].jpeg == jpeg)


def test_notes_and_events_reach_the_loop_once(shown: Show) -> None:
    with Visitor(shown.cockpit) as visitor:
        visitor.asks(Event.NOTE, "a cable came loose")
        shown.hears(Event.NOTE)
        visitor.asks(Event.UNDO)
        shown.hears(Event.UNDO)
    assert shown.events.count(Event.NOTE) == 1


def test_a_page_that_talks_nonsense_is_hung_up_on(shown: Show) -> None:
    for nonsense in ("{", "x" * 5000, '{"kind":"asking","event":"fly"}'):
        with Visitor(shown.cockpit) as visitor, pytest.raises(ConnectionClosed):
            visitor.socket.send(nonsense)
            for _ in range(1000):
                visitor.looks(acknowledge=False)


def test_a_page_that_floods_is_hung_up_on(shown: Show) -> None:
    with Visitor(shown.cockpit) as visitor, pytest.raises(ConnectionClosed):
        for _ in range(100_000):
            visitor.asks(Event.UNDO)


def test_a_viewer_that_stops_reading_gets_less_and_delays_nobody(shown: Show) -> None:
    with Visitor(shown.cockpit) as slow, Visitor(shown.cockpit) as quick:
        begun = len(quick.frames)
        while len(quick.frames) < begun + 60:
            quick.looks()
        newest = quick.frames[-1][0]["number"]
        for _ in range(40):
            slow.looks(acknowledge=False)
            if len(slow.frames) == 3:
                break
        assert len(slow.frames) == 3
        assert newest > slow.frames[-1][0]["number"] + 20


def test_a_process_that_dies_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    with show(tmp_path) as shown:
        with Visitor(shown.cockpit) as visitor:
            visitor.sees(lambda view: "status" in view)
            before = shown.cockpit.pid
            os.kill(before, signal.SIGKILL)
            eventually(lambda: shown.cockpit.pid != before)
        with Visitor(shown.cockpit) as again:
            again.sees(lambda view: "status" in view)
            again.asks(Event.SUCCESS)
            shown.hears(Event.SUCCESS)


def test_the_end_of_the_session_is_told_and_ends_the_process(tmp_path: Path) -> None:
    with show(tmp_path) as shown:
        visitor = Visitor(shown.cockpit)
        visitor.sees(lambda view: "status" in view)
        pid = shown.cockpit.pid
    bye = visitor.sees(lambda line: line["kind"] == "bye")
    assert "the session is over" in bye["text"]
    assert not bye["failed"]
    with pytest.raises(ConnectionClosed):
        visitor.sees(lambda _: False)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_process_does_not_outlive_a_loop_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from leash_robot.teleop.cockpit.client import Cockpit, CockpitOptions\n"
        "with Cockpit(CockpitOptions(Path(sys.argv[1]), port=0)) as cockpit:\n"
        "    print(cockpit.pid, cockpit.url, flush=True)\n"
        "    time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as loop:
        assert loop.stdout is not None
        pid, url = loop.stdout.readline().split()
        port = urlsplit(url).port or 0
        loop.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


def test_the_token_is_not_among_the_processes_arguments(shown: Show) -> None:
    token = urlsplit(shown.cockpit.url).path.strip("/").encode()
    for kind in ("cmdline", "environ"):
        assert token not in Path(f"/proc/{shown.cockpit.pid}/{kind}").read_bytes()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_with_a_remedy() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"port {port}.*give another port"):
            listen("127.0.0.1", port)
    with pytest.raises(OperatorError, match=r"cannot serve the page on 203\.0\.113\.1"):
        listen("203.0.113.1", None)


def test_the_usual_port_gives_way_to_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        monkeypatch.setattr("leash_robot.teleop.cockpit.address.PORT", taken.getsockname()[1])
        with Cockpit(CockpitOptions(tmp_path)) as cockpit:
            assert urlsplit(cockpit.url).port != taken.getsockname()[1]


def told(url: str, path: str = "", host: str = "") -> int:
    """The status of a request to an address, perhaps under another name."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.putrequest("GET", path or where.path, skip_host=True)
        connection.putheader("Host", host or where.netloc)
        connection.endheaders()
        return connection.getresponse().status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1", "localhost", "127.0.0.2", "own"])
def test_every_address_that_is_printed_answers(tmp_path: Path, host: str) -> None:
    if host == "own":
        if not own_addresses(4):
            pytest.skip("this computer is in no network")
        host = own_addresses(4)[0]
    with Cockpit(CockpitOptions(tmp_path, host, port=0)) as cockpit:
        assert cockpit.urls
        for url in cockpit.urls:
            assert told(url) == 200, url
        if host in {"0.0.0.0", "::"}:
            assert {*own_addresses(4), "127.0.0.1" if host == "0.0.0.0" else "::1"} <= {
                urlsplit(url).hostname for url in cockpit.urls
            }


def test_a_page_that_is_served_everywhere_goes_by_our_own_names_and_addresses_alone(tmp_path: Path) -> None:
    with Cockpit(CockpitOptions(tmp_path, "0.0.0.0", port=0)) as cockpit:
        url = cockpit.urls[-1]
        assert told(url, host=f"{socket.gethostname()}:80") == 200
        assert told(url, host=f"{socket.gethostname()}.local") == 200
        for foreign in ("evil.example", "192.0.2.1:8420", "0.0.0.0", "127.0.0.2", "[::ffff:192.0.2.1]"):
            assert told(url, host=foreign) == 403, foreign


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("no-such-name.invalid", "is no address of this computer"),
        ("", "it is empty"),
        ("http://192.168.1.7", "is no address of this computer"),
        ("127.0.0.1:8420", "is no address of this computer"),
        ("fe80::1%lo", "link-local"),
    ],
)
def test_what_no_page_can_be_opened_at_is_refused_with_the_reason(host: str, why: str) -> None:
    with pytest.raises(OperatorError, match=why):
        resolved(host)


def test_a_name_that_stands_for_loopback_is_refused_since_no_phone_can_open_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Debian has it for a computer's own name."""
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answer)
    with pytest.raises(OperatorError, match=r"robot stands for 127\.0\.1\.1.*0\.0\.0\.0"):
        resolved("robot")


def test_the_address_without_its_last_slash_leads_to_the_page(shown: Show) -> None:
    path = inside(shown).rstrip("/")
    answer = asked(shown, path)
    assert (answer.status, answer.headers["location"]) == (308, f"{path}/")
    assert asked(shown, path + "x").status == 403


@pytest.mark.parametrize(
    "line",
    [
        "OPTIONS * HTTP/1.1",
        "GET * HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "GET ? HTTP/1.1",
    ],
)
def test_odd_requests_are_refused_before_anything_looks_at_them(shown: Show, line: str) -> None:
    where = urlsplit(shown.cockpit.url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as raw:
        raw.sendall(f"{line}\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
        answer = raw.recv(4096)
    assert answer.split()[1] in {b"403", b"400"}, answer


def test_a_page_that_was_dropped_for_its_silence_is_hung_up_on_and_cannot_take_the_wheel(tmp_path: Path) -> None:
    with show(tmp_path) as shown, Visitor(shown.cockpit) as silent, Visitor(shown.cockpit) as other:
        silent.sees(lambda view: view.get("driver") == "you")
        other.sees(lambda view: view.get("driver") == "nobody")
        with contextlib.suppress(ConnectionClosed):
            silent.say(kind="wheel", want="take")
        with pytest.raises(ConnectionClosed):
            for _ in range(10_000):
                silent.looks(acknowledge=False)
        other.say(kind="wheel", want="take")
        other.sees(lambda view: view.get("driver") == "you")


def test_how_a_session_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cable"), Cockpit(CockpitOptions(tmp_path, port=0)) as cockpit:
        visitor = Visitor(cockpit)
        raise ValueError("the cable is out\nand more")
    bye = visitor.sees(lambda line: line["kind"] == "bye")
    assert "an error: the cable is out;" in bye["text"]
    assert bye["failed"]
    with Cockpit(CockpitOptions(tmp_path, port=0)) as cockpit:
        visitor = Visitor(cockpit)
        cockpit.ends("the session is over: all 4 episodes are recorded")
    bye = visitor.sees(lambda line: line["kind"] == "bye")
    assert bye["text"].startswith("the session is over: all 4 episodes are recorded; to go on,")
