"""From what providers send to marts and scorecards: one verb a module, one table an SQL file."""
