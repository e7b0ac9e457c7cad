"""One file per command: `add` describes its arguments, `run` calls one function and shows the result."""
