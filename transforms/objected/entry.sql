-- One row per name by which a list calls an objecting person: a keyed hash, with marks of the birth date where one is stated.
-- after: named
-- And what stands for the name in the protected marts, so that an old one is found although the lake no longer holds its records.
select distinct getvariable('armed_key') as key_id, kind, keyed(message) as name_key, birth_marks(message, birth_date) as birth_marks,
       stands_for
from objected.named
