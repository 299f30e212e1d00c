"""What the page asks, and the answers: the same wherever Python runs, on this machine or in the browser."""
