-- One row per code of the published group of Gypsy, Roma or Traveller people (publishing.yml names the group).
select distinct h.code
from standard.classification as h
join standard.characteristic as y on y.system = h.system
where y.characteristic = getvariable('ethnicity') and h.classification = getvariable('default_set')
  and h."group" = getvariable('watched_group')
