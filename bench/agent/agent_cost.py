"""Cost of an agent beside a media server with 1,000 viewers that is polled every second.

The real agent process, over HTTP, against a page of the size and shape that nginx-rtmp writes, and the real service.
Prints the share of one core and the memory over the measured time: `python -m bench.agent.agent_cost [SECONDS]
[VIEWERS]`.
"""

import asyncio
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

from streamusage.core.clock import SystemClock
from streamusage.core.durations import parse_duration_ms
from streamusage.service.server import run_service
from streamusage.service.tokens import read_tokens

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def stat_page(viewers: int, uptime_s: int) -> bytes:
    """The statistics page of an nginx-rtmp with this many viewers on ten streams."""
    clients = "".join(
        f"<client><id>{number}</id><address>10.0.{number % 250}.7</address><time>{uptime_s * 1000 - number}</time>"
        "<flashver>LNX 9,0,124,2</flashver><dropped>0</dropped><avsync>-16</avsync><timestamp>7446</timestamp>"
        "<active/></client>\n"
        for number in range(100, 100 + viewers)
    )
    streams = "".join(
        f"<stream><name>s{n}</name><time>{uptime_s * 1000}</time><bytes_in>1</bytes_in><bytes_out>1</bytes_out>"
        f"{part}<nclients>{viewers // 10}</nclients><publishing/><active/></stream>\n"
        for n, part in enumerate(_tenths(clients))
    )
    return (
        '<?xml version="1.0" encoding="utf-8" ?>\n<rtmp><nginx_version>1.22.1</nginx_version>'
        f"<nginx_rtmp_version>1.1.4</nginx_rtmp_version><pid>77</pid><uptime>{uptime_s}</uptime>"
        f"<naccepted>{viewers}</naccepted><bw_in>0</bw_in><bytes_in>{uptime_s * 10_000}</bytes_in><bw_out>0</bw_out>"
        f"<bytes_out>{uptime_s * 1_000_000}</bytes_out><server><application><name>live</name><live>{streams}"
        f"<nclients>{viewers}</nclients></live></application></server></rtmp>"
    ).encode()


def _tenths(clients: str) -> list[str]:
    lines = clients.splitlines(keepends=True)
    size = max(1, len(lines) // 10)
    return ["".join(lines[start : start + size]) for start in range(0, len(lines), size)][:10]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


async def measure(directory: Path, seconds: float, viewers: int) -> None:
    began = int(time.time())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        now = int(time.time())  # one clock for both, as in nginx: their difference identifies the worker
        body = stat_page(viewers, 1000 + now - began)
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    token = secrets.token_urlsafe()
    tokens = directory / "tokens.toml"
    tokens.write_text(f'[[token]]\nvalue = "{token}"\nrole = "agent"\nserver = "edge-1"\n')
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    stat_port = server.sockets[0].getsockname()[1]
    store = f"sqlite:///{directory / 'usage.db'}"
    async with run_service(store_url=store, tokens=read_tokens(tokens, {}), clock=SystemClock()) as service:
        config = directory / "agent.toml"
        config.write_text(
            f'server = "edge-1"\n[service]\nurl = "{service.url}"\ntoken_env = "TOKEN"\n'
            f'[source]\nkind = "nginx-rtmp"\nstat_url = "http://127.0.0.1:{stat_port}/stat"\n'
            f'[journal]\npath = "{directory / "journal.db"}"\n'
        )
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streamusage.agent", "--config", str(config)), env=os.environ | {"TOKEN": token}
        )
        try:
            await asyncio.sleep(5)
            before, started = cpu_seconds(agent.pid), time.monotonic()
            await asyncio.sleep(seconds)
            share = (cpu_seconds(agent.pid) - before) / (time.monotonic() - started)
            print(f"{viewers} viewers: {share:.2%} of a core, {memory_mb(agent.pid):.0f} MB, over {seconds:.0f} s")
        finally:
            agent.terminate()
            await agent.wait()
    server.close()


if __name__ == "__main__":
    seconds = parse_duration_ms(sys.argv[1] if len(sys.argv) > 1 else "30s", default_unit="s") / 1000
    viewers = int(float(sys.argv[2])) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as where:
        asyncio.run(measure(Path(where), seconds, viewers))
