-- What a database holds, as rows of (kind, name, place, attribute, value): one with no attribute for each object, and one for
-- each of its attributes that is not what it is by default. One statement, so that it sees one moment. It runs with
-- `search_path = pg_catalog, pg_temp`, under which the server writes every name with its schema.
--
-- `place` orders the attributes of an object. Columns have 10000 and more, by their number: what is left of a column that was
-- dropped shows in no value.
--
-- {left_out}: a list of rows (schema, relation). {privileges}: a boolean.
WITH space AS MATERIALIZED (
    SELECT * FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
),
left_out AS MATERIALIZED (
    SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN ({left_out})
),
owned_sequence AS MATERIALIZED (
    SELECT objid AS oid, refobjid AS relation, refobjsubid AS number, deptype FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjsubid > 0 AND deptype IN ('a', 'i')
    AND objid IN (SELECT seqrelid FROM pg_sequence)
),
relation AS MATERIALIZED (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS called,
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type' ELSE 'index' END AS kind
    FROM pg_class AS c JOIN space AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I') AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
    AND NOT (c.relkind = 'c'
        AND EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_type'::regclass AND m.objid = c.reltype))
    AND c.oid NOT IN (SELECT oid FROM left_out)
    AND c.oid NOT IN (SELECT oid FROM owned_sequence WHERE relation IN (SELECT oid FROM left_out))
),
-- An index that stands behind a constraint is told with it.
index AS MATERIALIZED (
    SELECT i.*, r.called, r.reloptions, r.reltablespace, k.oid AS behind, t.called AS on_table, k.conname
    FROM pg_index AS i JOIN relation AS r ON r.oid = i.indexrelid JOIN relation AS t ON t.oid = i.indrelid
    LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
),
-- Since PostgreSQL 18 a NOT NULL is a row here, too: it is told with its column. Those that the server makes for the
-- partitions of a table that a foreign key refers to have names of the server's.
table_constraint AS MATERIALIZED (
    SELECT k.*, format('%I on %s', k.conname, r.called) AS called
    FROM pg_constraint AS k JOIN relation AS r ON r.oid = k.conrelid
    WHERE k.contype NOT IN ('n', 't') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
),
own_type AS MATERIALIZED (
    SELECT t.*, format('%I.%I', n.nspname, t.typname) AS called,
        CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type' END AS kind
    FROM pg_type AS t JOIN space AS n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r')
    AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
routine AS MATERIALIZED (
    SELECT p.*,
        format('%I.%I(%s)', n.nspname, p.proname,
            (SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.place)
                FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a(type, place))) AS called,
        CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind
    FROM pg_proc AS p JOIN space AS n ON n.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
    -- The constructors of a range type.
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
),
own_trigger AS MATERIALIZED (
    SELECT t.*, format('%I on %s', t.tgname, r.called) AS called
    FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0
),
own_rule AS MATERIALIZED (
    SELECT w.*, format('%I on %s', w.rulename, r.called) AS called
    FROM pg_rewrite AS w JOIN relation AS r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
),
own_policy AS MATERIALIZED (
    SELECT p.*, format('%I on %s', p.polname, r.called) AS called FROM pg_policy AS p JOIN relation AS r ON r.oid = p.polrelid
),
own_statistics AS MATERIALIZED (
    SELECT s.oid, s.stxowner, format('%I.%I', n.nspname, s.stxname) AS called
    FROM pg_statistic_ext AS s JOIN space AS n ON n.oid = s.stxnamespace JOIN relation AS r ON r.oid = s.stxrelid
),
-- Everything else that somebody may have created, of which only that it is there is told. The oids below 16384 are those of
-- the objects that a new database has.
other(class, oid) AS MATERIALIZED (
    SELECT o.class, o.oid FROM (
        SELECT 'pg_operator'::regclass, oid FROM pg_operator
        UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
        UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
        UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
        UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation
        UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion
        UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language
        UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
        UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am
        UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
        UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
        UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type AS t JOIN space AS n ON n.oid = t.typnamespace
            WHERE t.typtype IN ('b', 'p') AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
    ) AS o(class, oid)
    WHERE o.oid >= 16384
    AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = o.class AND m.objid = o.oid)
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'i')
),
-- `acl_kind` is what acldefault() calls it.
object(class, oid, kind, name, owner, acl_kind, acl) AS MATERIALIZED (
    SELECT 'pg_namespace'::regclass::oid, n.oid, 'schema', quote_ident(n.nspname), n.nspowner, 'n', n.nspacl FROM space AS n
        WHERE NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = n.oid)
    UNION ALL SELECT 'pg_extension'::regclass, e.oid, 'extension', quote_ident(e.extname), e.extowner, NULL, NULL
        FROM pg_extension AS e
    UNION ALL SELECT 'pg_class'::regclass, r.oid, r.kind, r.called, r.relowner,
            CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END, r.relacl
        FROM relation AS r WHERE r.kind NOT IN ('index', 'composite type')
    UNION ALL SELECT 'pg_type'::regclass, r.reltype, r.kind, r.called, r.relowner, 'T', t.typacl
        FROM relation AS r JOIN pg_type AS t ON t.oid = r.reltype WHERE r.kind = 'composite type'
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, 'index', i.called, NULL, NULL, NULL FROM index AS i WHERE i.behind IS NULL
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, 'constraint', k.called, NULL, NULL, NULL FROM table_constraint AS k
    UNION ALL SELECT 'pg_type'::regclass, t.oid, t.kind, t.called, t.typowner, 'T', t.typacl FROM own_type AS t
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.kind, p.called, p.proowner, 'f', p.proacl FROM routine AS p
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 'trigger', t.called, NULL, NULL, NULL FROM own_trigger AS t
    UNION ALL SELECT 'pg_rewrite'::regclass, w.oid, 'rule', w.called, NULL, NULL, NULL FROM own_rule AS w
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, 'policy', p.called, NULL, NULL, NULL FROM own_policy AS p
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 'statistics', s.called, s.stxowner, NULL, NULL FROM own_statistics AS s
    UNION ALL SELECT 'pg_event_trigger'::regclass, e.oid, 'event trigger', quote_ident(e.evtname), e.evtowner, NULL, NULL
        FROM pg_event_trigger AS e
        WHERE NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
    UNION ALL SELECT 'pg_publication'::regclass, p.oid, 'publication', quote_ident(p.pubname), p.pubowner, NULL, NULL
        FROM pg_publication AS p
        WHERE NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_publication'::regclass AND m.objid = p.oid)
    UNION ALL SELECT o.class, o.oid, 'other', i.type || ' ' || i.identity, NULL, NULL, NULL
        FROM other AS o CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
),
attribute(kind, name, place, attribute, value) AS (
    SELECT kind, name, 0, NULL, NULL FROM object

    UNION ALL SELECT 'extension', quote_ident(e.extname), a.* FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    CROSS JOIN LATERAL (VALUES (1, 'version', e.extversion), (2, 'schema', quote_ident(n.nspname))) AS a

    UNION ALL SELECT r.kind, r.called, a.* FROM relation AS r
    LEFT JOIN (pg_inherits AS h JOIN pg_class AS hc ON hc.oid = h.inhparent JOIN pg_namespace AS hn ON hn.oid = hc.relnamespace)
        ON h.inhrelid = r.oid AND r.relispartition
    LEFT JOIN pg_foreign_table AS f ON f.ftrelid = r.oid
    CROSS JOIN LATERAL (VALUES
        (1, 'persistence', CASE r.relpersistence WHEN 'u' THEN 'unlogged' END),
        (2, 'of type', format_type(nullif(r.reloftype, 0), NULL)),
        (3, 'partition by', CASE r.relkind WHEN 'p' THEN pg_get_partkeydef(r.oid) END),
        (4, 'partition of', CASE WHEN r.relispartition
            THEN format('%I.%I %s', hn.nspname, hc.relname, pg_get_expr(r.relpartbound, r.oid)) END),
        (5, 'inherits', (SELECT string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno)
            FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
            WHERE i.inhrelid = r.oid AND NOT r.relispartition)),
        (6, 'access method', (SELECT amname FROM pg_am WHERE oid = r.relam AND amname <> 'heap')),
        (7, 'options', array_to_string(r.reloptions, ', ')),
        (8, 'tablespace', (SELECT quote_ident(spcname) FROM pg_tablespace WHERE oid = r.reltablespace)),
        (9, 'server', (SELECT quote_ident(srvname) FROM pg_foreign_server WHERE oid = f.ftserver)),
        (10, 'foreign options', array_to_string(f.ftoptions, ', ')),
        (11, 'replica identity', CASE WHEN r.relkind NOT IN ('r', 'p') THEN NULL
            WHEN r.relreplident = 'n' THEN 'nothing' WHEN r.relreplident = 'f' THEN 'full'
            WHEN r.relreplident = 'i' THEN (SELECT 'index ' || i.called FROM index AS i
                WHERE i.indrelid = r.oid AND i.indisreplident) END),
        (12, 'row security', CASE WHEN r.relrowsecurity AND r.relforcerowsecurity THEN 'enabled, forced'
            WHEN r.relrowsecurity THEN 'enabled' WHEN r.relforcerowsecurity THEN 'forced, not enabled' END),
        (13, 'populated', CASE WHEN NOT r.relispopulated THEN 'no' END)
    ) AS a(place, attribute, value) WHERE r.kind NOT IN ('index', 'sequence')

    UNION ALL SELECT r.kind, r.called, 20, 'definition', pg_get_viewdef(r.oid)
    FROM relation AS r WHERE r.relkind IN ('v', 'm')

    UNION ALL SELECT r.kind, r.called, 10000 + 2 * c.attnum,
        CASE r.relkind WHEN 'c' THEN 'attribute ' ELSE 'column ' END || quote_ident(c.attname),
        concat_ws(' ', format_type(c.atttypid, c.atttypmod),
            CASE WHEN c.attcollation <> t.typcollation THEN 'COLLATE ' || c.attcollation::regcollation::text END,
            CASE WHEN c.attstorage <> t.typstorage THEN 'STORAGE ' || CASE c.attstorage
                WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END END,
            'STATISTICS ' || nullif(c.attstattarget, -1),
            'OPTIONS (' || array_to_string(c.attoptions || c.attfdwoptions, ', ') || ')',
            CASE WHEN c.attgenerated = 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                WHEN c.attgenerated = 'v' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ')'
                WHEN c.attidentity = 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                WHEN c.attidentity = 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY'
                ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
            CASE WHEN c.attnotnull THEN 'NOT NULL' END,
            CASE WHEN k.connoinherit THEN 'NO INHERIT' END,
            CASE WHEN NOT k.convalidated THEN 'NOT VALID' END)
    FROM relation AS r JOIN pg_attribute AS c ON c.attrelid = r.oid AND c.attnum > 0 AND NOT c.attisdropped
    JOIN pg_type AS t ON t.oid = c.atttypid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = c.attnum
    LEFT JOIN pg_constraint AS k ON k.conrelid = r.oid AND k.contype = 'n' AND k.conkey = ARRAY[c.attnum]
    WHERE r.kind NOT IN ('index', 'sequence')

    UNION ALL SELECT 'sequence', r.called, a.* FROM relation AS r JOIN pg_sequence AS s ON s.seqrelid = r.oid
    LEFT JOIN (SELECT o.oid, string_agg(format('%s.%I', t.called, c.attname), ', ' ORDER BY t.called, c.attname) AS columns
        FROM owned_sequence AS o JOIN relation AS t ON t.oid = o.relation
        JOIN pg_attribute AS c ON c.attrelid = t.oid AND c.attnum = o.number GROUP BY o.oid) AS o ON o.oid = r.oid
    CROSS JOIN LATERAL (SELECT CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
        ELSE 9223372036854775807 END AS most, s.seqincrement > 0 AS ascends) AS b
    CROSS JOIN LATERAL (VALUES
        (1, 'persistence', CASE r.relpersistence WHEN 'u' THEN 'unlogged' END),
        (2, 'type', format_type(s.seqtypid, NULL)),
        (3, 'start', CASE WHEN s.seqstart <> CASE WHEN b.ascends THEN s.seqmin ELSE s.seqmax END THEN s.seqstart::text END),
        (4, 'increment', nullif(s.seqincrement, 1)::text),
        (5, 'minimum', nullif(s.seqmin, CASE WHEN b.ascends THEN 1 ELSE - b.most - 1 END)::text),
        (6, 'maximum', nullif(s.seqmax, CASE WHEN b.ascends THEN b.most ELSE -1 END)::text),
        (7, 'cache', nullif(s.seqcache, 1)::text),
        (8, 'cycle', CASE WHEN s.seqcycle THEN 'yes' END),
        (9, 'owned by', o.columns)
    ) AS a

    UNION ALL SELECT CASE WHEN i.behind IS NULL THEN 'index' ELSE 'constraint' END,
        CASE WHEN i.behind IS NULL THEN i.called ELSE format('%I on %s', i.conname, i.on_table) END, a.*
    FROM index AS i CROSS JOIN LATERAL (VALUES
        (1, 'definition', CASE WHEN i.behind IS NULL THEN pg_get_indexdef(i.indexrelid) END),
        (2, 'valid', CASE WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'no' END),
        (3, 'options', CASE WHEN i.behind IS NOT NULL THEN array_to_string(i.reloptions, ', ') END),
        (4, 'tablespace', (SELECT quote_ident(spcname) FROM pg_tablespace WHERE oid = i.reltablespace)),
        (5, 'clustered', CASE WHEN i.indisclustered THEN 'yes' END),
        (6, 'part of', (SELECT string_agg(format('%I.%I', n.nspname, p.relname), ', ') FROM pg_inherits AS h
            JOIN pg_class AS p ON p.oid = h.inhparent JOIN pg_namespace AS n ON n.oid = p.relnamespace
            WHERE h.inhrelid = i.indexrelid))
    ) AS a

    UNION ALL SELECT 'constraint', k.called, 0, 'definition', pg_get_constraintdef(k.oid) FROM table_constraint AS k

    UNION ALL SELECT t.kind, t.called, 1, 'labels',
        (SELECT string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_enum AS l WHERE l.enumtypid = t.oid)
    FROM own_type AS t WHERE t.typtype = 'e'

    UNION ALL SELECT t.kind, t.called, 1, 'type', concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typcollation <> b.typcollation THEN 'COLLATE ' || t.typcollation::regcollation::text END,
        'DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typdefault),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END)
    FROM own_type AS t JOIN pg_type AS b ON b.oid = t.typbasetype WHERE t.typtype = 'd'

    UNION ALL SELECT t.kind, t.called, 2, 'constraint ' || quote_ident(k.conname), pg_get_constraintdef(k.oid)
    FROM own_type AS t JOIN pg_constraint AS k ON k.contypid = t.oid AND k.contype <> 'n'

    UNION ALL SELECT t.kind, t.called, a.* FROM own_type AS t JOIN pg_range AS g ON g.rngtypid = t.oid
    JOIN pg_type AS s ON s.oid = g.rngsubtype
    CROSS JOIN LATERAL (VALUES
        (1, 'subtype', concat_ws(' ', format_type(g.rngsubtype, NULL),
            CASE WHEN g.rngcollation <> s.typcollation THEN 'COLLATE ' || g.rngcollation::regcollation::text END)),
        (2, 'operator class', (SELECT format('%I.%I', n.nspname, o.opcname) FROM pg_opclass AS o
            JOIN pg_namespace AS n ON n.oid = o.opcnamespace WHERE o.oid = g.rngsubopc AND NOT o.opcdefault)),
        (3, 'canonical function', nullif(g.rngcanonical, 0)::regprocedure::text),
        (4, 'difference function', nullif(g.rngsubdiff, 0)::regprocedure::text),
        -- There are none before PostgreSQL 14.
        (5, 'multirange type', format_type((to_jsonb(g) ->> 'rngmultitypid')::oid, NULL))
    ) AS a

    UNION ALL SELECT p.kind, p.called, 1, 'definition', pg_get_functiondef(p.oid) FROM routine AS p WHERE p.prokind <> 'a'

    UNION ALL SELECT p.kind, p.called, a.* FROM routine AS p JOIN pg_aggregate AS g ON g.aggfnoid = p.oid
    CROSS JOIN LATERAL (VALUES
        (1, 'arguments', pg_get_function_arguments(p.oid)),
        (2, 'returns', format_type(p.prorettype, NULL)),
        (3, 'kind', CASE g.aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END),
        (4, 'state type', format_type(g.aggtranstype, NULL)),
        (5, 'state function', g.aggtransfn::regprocedure::text),
        (6, 'initial value', quote_literal(g.agginitval)),
        (7, 'final function', nullif(g.aggfinalfn, 0)::regprocedure::text),
        (8, 'combine function', nullif(g.aggcombinefn, 0)::regprocedure::text),
        (9, 'moving state function', nullif(g.aggmtransfn, 0)::regprocedure::text),
        (10, 'sort operator', nullif(g.aggsortop, 0)::regoperator::text),
        (11, 'parallel', CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END)
    ) AS a

    UNION ALL SELECT 'trigger', t.called, a.* FROM own_trigger AS t CROSS JOIN LATERAL (VALUES
        (1, 'definition', pg_get_triggerdef(t.oid)),
        (2, 'enabled', CASE t.tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
    ) AS a

    UNION ALL SELECT 'rule', w.called, a.* FROM own_rule AS w CROSS JOIN LATERAL (VALUES
        (1, 'definition', pg_get_ruledef(w.oid)),
        (2, 'enabled', CASE w.ev_enabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
    ) AS a

    UNION ALL SELECT 'policy', p.called, a.* FROM own_policy AS p CROSS JOIN LATERAL (VALUES
        (1, 'kind', CASE WHEN NOT p.polpermissive THEN 'restrictive' END),
        (2, 'for', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' END),
        (3, 'to', (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM
            (SELECT quote_ident(rolname) FROM pg_roles WHERE oid = ANY (p.polroles)) AS r(rolname))),
        (4, 'using', pg_get_expr(p.polqual, p.polrelid)),
        (5, 'with check', pg_get_expr(p.polwithcheck, p.polrelid))
    ) AS a

    UNION ALL SELECT 'statistics', s.called, 1, 'definition', pg_get_statisticsobjdef(s.oid) FROM own_statistics AS s

    UNION ALL SELECT 'event trigger', quote_ident(e.evtname), a.* FROM pg_event_trigger AS e CROSS JOIN LATERAL (VALUES
        (1, 'event', e.evtevent::text),
        (2, 'function', e.evtfoid::regprocedure::text),
        (3, 'tags', array_to_string(e.evttags, ', ')),
        (4, 'enabled', CASE e.evtenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
    ) AS a

    UNION ALL SELECT 'publication', quote_ident(p.pubname), a.* FROM pg_publication AS p CROSS JOIN LATERAL (VALUES
        (1, 'publishes', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)),
        (2, 'via root', CASE WHEN p.pubviaroot THEN 'yes' END),
        (3, 'tables', CASE WHEN p.puballtables THEN 'all' END)
    ) AS a

    -- Which columns and rows, since PostgreSQL 15.
    UNION ALL SELECT 'publication', quote_ident(p.pubname), 10, format('table %s', r.called),
        concat_ws(' ', coalesce(
            (SELECT format('(%s)', string_agg(quote_ident(c.attname), ', ' ORDER BY c.attnum)) FROM pg_attribute AS c
                WHERE c.attrelid = r.oid AND to_jsonb(l) -> 'prattrs' @> to_jsonb(c.attnum) HAVING count(*) > 0),
            'all columns'), 'WHERE ' || (to_jsonb(t) ->> 'rowfilter'))
    FROM pg_publication AS p JOIN pg_publication_tables AS t ON t.pubname = p.pubname AND NOT p.puballtables
    JOIN relation AS r ON r.called = format('%I.%I', t.schemaname, t.tablename)
    LEFT JOIN pg_publication_rel AS l ON l.prpubid = p.oid AND l.prrelid = r.oid

    UNION ALL SELECT o.kind, o.name, 90, 'comment', d.description
    FROM object AS o JOIN pg_description AS d ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = 0

    UNION ALL SELECT r.kind, r.called, 10001 + 2 * c.attnum, 'comment on ' || quote_ident(c.attname), d.description
    FROM relation AS r JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid > 0
    JOIN pg_attribute AS c ON c.attrelid = r.oid AND c.attnum = d.objsubid WHERE r.kind NOT IN ('index', 'sequence')

    UNION ALL SELECT o.kind, o.name, 80, 'owner', o.owner::regrole::text FROM object AS o WHERE {privileges}

    -- In which order they were granted is no difference, nor whether they were spelt out.
    UNION ALL SELECT o.kind, o.name, 81, 'privileges', g.granted
    FROM object AS o
    CROSS JOIN LATERAL (SELECT coalesce(string_agg(e::text, ', ' ORDER BY e::text COLLATE "C"), 'none') FROM unnest(o.acl) AS e)
        AS g(granted)
    CROSS JOIN LATERAL (SELECT coalesce(string_agg(e::text, ', ' ORDER BY e::text COLLATE "C"), 'none')
        FROM unnest(acldefault(o.acl_kind::"char", o.owner)) AS e) AS u(usual)
    WHERE {privileges} AND o.acl IS NOT NULL AND g.granted <> u.usual

    UNION ALL SELECT r.kind, r.called, 82, 'privileges on ' || quote_ident(c.attname),
        (SELECT string_agg(e::text, ', ' ORDER BY e::text COLLATE "C") FROM unnest(c.attacl) AS e)
    FROM relation AS r JOIN pg_attribute AS c ON c.attrelid = r.oid AND c.attacl IS NOT NULL AND NOT c.attisdropped WHERE {privileges}

    UNION ALL SELECT 'default privileges', concat_ws(' ', 'of', d.defaclrole::regrole::text,
        'in ' || nullif(d.defaclnamespace, 0)::regnamespace::text, 'on', CASE d.defaclobjtype WHEN 'r' THEN 'tables'
            WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'others' END),
        1, 'privileges', (SELECT coalesce(string_agg(e::text, ', ' ORDER BY e::text COLLATE "C"), 'none') FROM unnest(d.defaclacl) AS e)
    FROM pg_default_acl AS d WHERE {privileges}
)
SELECT kind, name, place, attribute, value FROM attribute WHERE attribute IS NULL OR value IS NOT NULL
ORDER BY kind, name COLLATE "C", place, attribute COLLATE "C"
