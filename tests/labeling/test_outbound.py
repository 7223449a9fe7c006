"""Posting to an address that a user named leads nowhere inside."""

import http.server
import threading

import pytest

from labeling.outbound import NotReachable, check_address, is_public, post, reach


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds hand out credentials
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ],
)
def test_what_belongs_to_a_network_of_ours_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_what_belongs_to_the_internet_is(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "example.org",
        "https://",
        "http://me:secret@example.org/",
        "http://[::",
    ],
)
def test_other_addresses_are_none(url):
    with pytest.raises(NotReachable):
        check_address(url)


def test_one_private_address_of_a_name_is_enough_to_refuse():
    with pytest.raises(NotReachable, match="private network"):
        reach("https://example.org/", (), lambda host, port: ["1.1.1.1", "127.0.0.1"])
    assert reach("https://example.org/", (), lambda host, port: ["1.1.1.1"]) == "1.1.1.1"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "[::1]"])
def test_this_machine_is_found_out_however_it_is_written(host):
    with pytest.raises(NotReachable):
        reach(f"http://{host}/", ())


def test_a_name_that_nobody_knows():
    def unknown(host, port):
        raise OSError

    with pytest.raises(NotReachable, match="is not known"):
        reach("https://example.org/", (), unknown)


@pytest.fixture
def server():
    """Keeps what it was sent; leads away from /away, and answers at length."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Host"], body))
            self.send_response(302 if self.path == "/away" else 200)
            if self.path == "/away":
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"x" * 10_000)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_address[1], seen
        running.shutdown()


def test_the_connection_goes_to_the_address_that_was_checked(server):
    """The name is looked up once: had it changed its mind since, that would change nothing."""
    port, seen = server
    looked_up = []

    def once(host, port):
        looked_up.append(host)
        return ["127.0.0.1"]

    answer = post(f"http://hook.test:{port}/in?a=1", b"{}", {}, ("hook.test",), once)
    assert looked_up == ["hook.test"]
    assert seen == [("/in?a=1", f"hook.test:{port}", b"{}")]
    assert (answer.accepted, len(answer.text)) == (True, 500)


def test_redirects_are_not_followed(server):
    port, seen = server
    answer = post(
        f"http://hook.test:{port}/away", b"", {}, ("hook.test",), lambda h, p: ["127.0.0.1"]
    )
    assert (answer.status, answer.accepted, len(seen)) == (302, False, 1)


def test_nobody_there_is_said():
    with pytest.raises(NotReachable):
        post("http://hook.test:9/", b"", {}, ("hook.test",), lambda h, p: ["127.0.0.1"])
