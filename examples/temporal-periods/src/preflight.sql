DO $preflight$
DECLARE
    wanted constant text[] := ARRAY['btree_gist', 'pg_trgm'];
    is_super constant boolean := (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user);
    may_create constant boolean := pg_catalog.has_database_privilege(current_database(), 'CREATE');
    unknown text;
    denied text;
    remedy text;
BEGIN
    SELECT string_agg(w.name, ' and ')
    INTO unknown
    FROM unnest(wanted) AS w (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = w.name)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = w.name);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'the server has no extension % to create: install the contrib modules of PostgreSQL % on it, and migrate again',
            unknown, current_setting('server_version_num')::integer / 10000
            USING ERRCODE = 'feature_not_supported';
    END IF;

    -- A trusted extension may be created by whoever may create anything in the database (PostgreSQL 13 and later).
    SELECT string_agg(a.name, ' and '), string_agg(format('CREATE EXTENSION %I', a.name), '; ')
    INTO denied, remedy
    FROM pg_catalog.pg_available_extensions AS a
    JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version
    WHERE a.name = ANY (wanted) AND a.installed_version IS NULL
        AND NOT is_super AND NOT (may_create AND (v.trusted OR NOT v.superuser));
    IF denied IS NOT NULL THEN
        RAISE EXCEPTION 'the role % may not create the extensions % in the database %: run `GRANT CREATE ON DATABASE % TO %`, or let a superuser run `%` there, and migrate again',
            quote_ident(current_user), denied, quote_ident(current_database()), quote_ident(current_database()),
            quote_ident(current_user), remedy
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$preflight$;
