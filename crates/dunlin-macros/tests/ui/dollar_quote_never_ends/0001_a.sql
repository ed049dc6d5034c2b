DO $body$
BEGIN
END $bdy$;
