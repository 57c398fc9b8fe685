"""A network as a file for other programs: what an exporter is given, and the one way by which it writes."""
