-- One row per published set and code (and, rarely, stretch of time): the label that the set gives it; a set of third-party wording is a quotation.
select c.system, c.classification as label_set, s.title, s.wording, s.year, c.code, c.value, c.label, c."group",
       c.group_label, c.relation, c.reason, c.status, c.valid_from, c.valid_to
from standard.classification as c
left join standard.label_set as s on s.system = c.system and s.classification = c.classification
order by all
