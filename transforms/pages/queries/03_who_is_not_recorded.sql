-- For how many people nobody knows the ethnicity, and why, by integrated care board.
select place, category as status, n_people, n_people_in_place, round(share, 3) as share
from coverage
where characteristic = 'ethnic_category' and breakdown = 'status' and place_kind = 'icb_of_residence' and cell_status = 'shown'
order by place, share desc;
