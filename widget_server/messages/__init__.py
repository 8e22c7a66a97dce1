"""Messages to people: writing them and handing them to a mail server."""
