-- As pg_dump writes it.
COPY public.birds (name) FROM stdin;
dunlin
\.
