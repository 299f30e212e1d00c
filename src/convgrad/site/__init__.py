"""The page as a static site: files for any web server, with Python in the browser for what needs it (`make site`)."""
