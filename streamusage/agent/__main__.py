"""Entry point of `python -m streamusage.agent`, which is the same as `streamtop agent`."""

from streamusage.agent.cli import agent

agent(prog_name="streamtop agent")
