"""Types on the wire: replies of the usage service, and the reports of agents."""
