"""ArchSpec -> Plan, and the readers of a plan. No torch here."""
