SELECT count(*) = 0 AS each_project_with_generations_has_one_active
FROM projects AS p
WHERE (SELECT count(*) FROM generations AS g WHERE g.project_id = p.id AND g.is_active AND g.id = p.active_generation_id)
    <> (SELECT least(count(*), 1) FROM generations AS g WHERE g.project_id = p.id);

SELECT bool_and(count <= latest_version AND highest <= latest_version) IS NOT FALSE AS versions_are_within_the_latest
FROM (
    SELECT p.latest_version, count(*), max(g.version) AS highest
    FROM projects AS p JOIN generations AS g ON g.project_id = p.id GROUP BY p.id
) AS numbered;
