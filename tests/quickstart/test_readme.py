"""The commands of the README as they are printed: recordings of the demo, and the three ways on."""

import pytest

from tests.support.certificates import sign
from tests.support.needs import need
from tests.support.program import REPOSITORY
from tests.support.real.page_blocks import Kind, read_page
from tests.support.real.page_commands import PageRun, scratch_for_everyone

NGINX = """
cat > nginx.conf << 'END'
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 1024; }}
rtmp {{
    {log_format}
    access_log rtmp_access.log streamtop;
    server {{ listen 1935; application live {{ live on; }} }}
}}
http {{ server {{ listen 127.0.0.1:18080; location /stat {{ rtmp_stat all; }} }} }}
END
nginx -p "$PWD" -c nginx.conf
{publish}
"""
"""An nginx without HLS, with the log format of the quickstart and its test stream."""

PROFILES = """
mkdir -p ~/.config/streamtop
cp admin.token ~/.config/streamtop/
for name in eu us; do
  printf '[profiles.%s]\\nurl = "http://127.0.0.1:5080"\\ntoken_file = "admin.token"\\n' "$name"
done > ~/.config/streamtop/config.toml
"""

STREAM_MANAGER = """
cp admin.token sm.token
cat > sm.conf << 'END'
worker_processes 1;
pid sm.pid;
error_log error.log;
events { worker_connections 64; }
http {
    access_log sm_access.log;
    server {
        listen 127.0.0.1:443 ssl;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
        location /streammanager/api/3.1/ { proxy_pass http://127.0.0.1:5080; }
    }
}
END
nginx -p "$PWD" -c sm.conf
export STREAMTOP_CA_FILE="$PWD/authority.pem"
"""
"""Serves API 3.1 of the real service and nothing else of it, with TLS, as a Stream Manager does."""


def nginx_of_the_quickstart() -> str:
    blocks = read_page(REPOSITORY / "docs" / "quickstart.md").blocks
    conf = next(block.text for block in blocks if block.name == "nginx.conf")
    log_format = next(line.strip() for line in conf.splitlines() if "log_format" in line)
    _, publish = next(block.text for block in blocks if block.kind is Kind.RUN).split("\n", 1)
    return NGINX.format(log_format=log_format, publish=publish)


@pytest.mark.real
def test_commands_of_the_readme_run_as_printed() -> None:
    need("openssl")
    with scratch_for_everyone() as scratch:
        sign(scratch)
        run = PageRun(REPOSITORY / "README.md", scratch, (443, 1935, 5080, 18080))
        run.run(
            {
                "nginx with RTMP": nginx_of_the_quickstart(),
                "profiles eu and us": PROFILES,
                "a Stream Manager": STREAM_MANAGER,
            }
        )
        assert "</html>" in (scratch / "outage.html").read_text()
        requests = (scratch / "sm_access.log").read_text().splitlines()
        answered = [line for line in requests if '" 200 ' in line]
        assert answered, requests
        assert [line for line in answered if '"GET /streammanager/api/3.1/' not in line] == []
