"""The usage service: HTTP routes over a store, and the rules by which agents' reports are applied."""
