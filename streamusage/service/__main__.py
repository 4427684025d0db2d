"""`python -m streamusage.service` is `streamtop serve`."""

from streamusage.service.main import serve

serve(prog_name="python -m streamusage.service")
