-- How large each ethnic group is by each way of choosing one answer for a person. Where they differ much, a finding may be the method's.
pivot (select ethnic_group, method, share from method_effect where cell_status = 'shown') on method using any_value(round(share, 4))
order by ethnic_group;
