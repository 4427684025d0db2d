"""`python -m streamusage.agent`: the same as `streamtop agent`."""

from streamusage.agent.cli import agent

agent(prog_name="streamtop agent")
