-- What a code of a local system means here, and what else means the same.
select vocabulary, value, term, code, detail, reason
from code_map where system = 'ethnic_category' and code = 'gypsy_or_irish_traveller' order by vocabulary, value;
