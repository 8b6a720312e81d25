-- One row per method of choosing one ethnicity for a person, beside the default: whose it is, what it speaks in, and its tests in order.
select method, title, says, array_to_string(tests, ', ') as tests, source from standard.method order by all
