0001_a.sql
COPY t (a, b) FROM stdin;
1	it's
\.
