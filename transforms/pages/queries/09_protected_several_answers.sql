-- Protected. People who are recorded in more than one way: how many, by how many values.
select n_values, count(*) as n_people
from protected.person_characteristic where characteristic = 'ethnic_category' group by n_values order by n_values;
