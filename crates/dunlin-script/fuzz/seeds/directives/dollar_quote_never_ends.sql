0001_a.sql
DO $body$
BEGIN
END $bdy$;
