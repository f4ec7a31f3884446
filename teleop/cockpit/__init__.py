"""The cockpit: the web page that a person drives from."""
