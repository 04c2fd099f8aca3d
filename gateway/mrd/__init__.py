"""Bytes on the wire and messages: framing, header, listener, client, files. Knows nothing of the spool or of jobs."""
