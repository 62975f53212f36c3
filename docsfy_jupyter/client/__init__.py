"""What a kernel or a script uses: a client of the REST API. Never imports the server side."""
