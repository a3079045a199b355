"""Pictures of every route in every state, at two widths and in both themes: `make screenshots`."""
