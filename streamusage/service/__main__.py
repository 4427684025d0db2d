"""`python -m streamusage.service` is `streamtop serve`."""

from streamusage.service.cli import serve

serve(prog_name="python -m streamusage.service")
