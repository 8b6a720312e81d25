-- One row per code system, vocabulary and value (and, rarely, stretch of time): what a value that providers send means.
select system, vocabulary, value, term, code, detail, status, relation, reason, people, source, valid_from, valid_to
from standard.code_map
order by all
