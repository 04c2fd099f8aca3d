"""Bytes on the wire and messages: MRD framing, header, listener, client, files. Knows nothing of the spool or of jobs."""
