"""The same network and numbers as other tools write them."""
