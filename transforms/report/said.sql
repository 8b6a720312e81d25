-- One row per person and characteristic: the true code.
select person_no, name as characteristic, value as code
from (unpivot (select person_no, ethnic_category, main_language, interpreter_required, is_carer, has_carer from truth.person)
      on columns(* exclude person_no))
