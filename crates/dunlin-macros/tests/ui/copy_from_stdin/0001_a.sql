COPY t (a, b) FROM stdin;
1	it's
\.
